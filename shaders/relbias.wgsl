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

// shared: group
// The place of a workgroup in the grid. Threads have their own index apart: in one
// struct with it, compilers would take all of it for different in each thread, and
// allow no barrier where it decides.
struct Group {
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
}

// The number of a workgroup in a grid that spreads over two dimensions where one
// does not reach.
fn number_of(group: Group) -> u32 {
  return group.id.y * group.grid.x + group.id.x;
}
// end shared
@group(0) @binding(1) var<storage, read> x: array<f32>;  // table, or dbias
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn expand(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (i < params.heads * params.width) {
    out[i] = x[index[i % params.width] * params.heads + i / params.width];
  }
}

@compute @workgroup_size(64)
fn gather(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (i < params.buckets * params.heads) {
    let first = i % params.heads * params.width;
    var sum = 0.0;
    for (var d = 0u; d < params.width; d++) {
      sum += select(0.0, x[first + d], index[d] == i / params.heads);
    }
    out[i] += sum;
  }
}
