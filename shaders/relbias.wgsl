// T5's relative position bias. The score of a key at distance d = key - query
// position gets table[bucket(d), h]; index holds bucket(d) for d = 1-L to L-1,
// as the host computes it.
//
//   expand: out[h, d+L-1] = table[bucket(d), h]
//   gather: dtable[b, h] += Σ of dbias[h, d+L-1] over the d with bucket(d) = b

struct Params {
  heads: u32,
  buckets: u32,
  width: u32,  // 2L-1
}

@group(0) @binding(0) var<uniform> params: Params;

// shared: thread
// Where a thread stands.
struct Thread {
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
}

// The number of a thread's workgroup in a grid that spreads over two dimensions
// where one does not reach.
fn group_of(t: Thread) -> u32 {
  return t.group.y * t.grid.x + t.group.x;
}
// end shared
@group(0) @binding(1) var<storage, read> x: array<f32>;  // table, or dbias
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn expand(t: Thread) {
  let i = group_of(t) * 64u + t.lane;
  if (i < params.heads * params.width) {
    out[i] = x[index[i % params.width] * params.heads + i / params.width];
  }
}

@compute @workgroup_size(64)
fn gather(t: Thread) {
  let i = group_of(t) * 64u + t.lane;
  if (i < params.buckets * params.heads) {
    let first = i % params.heads * params.width;
    var sum = 0.0;
    for (var d = 0u; d < params.width; d++) {
      sum += select(0.0, x[first + d], index[d] == i / params.heads);
    }
    out[i] += sum;
  }
}
