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
@group(0) @binding(1) var<storage, read> x: array<f32>;  // table, or dbias
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn expand(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let i = (wid.y * grid.x + wid.x) * 64u + lid;
  if (i < params.heads * params.width) {
    out[i] = x[index[i % params.width] * params.heads + i / params.width];
  }
}

@compute @workgroup_size(64)
fn gather(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let i = (wid.y * grid.x + wid.x) * 64u + lid;
  if (i < params.buckets * params.heads) {
    let first = i % params.heads * params.width;
    var sum = 0.0;
    for (var d = 0u; d < params.width; d++) {
      sum += select(0.0, x[first + d], index[d] == i / params.heads);
    }
    out[i] += sum;
  }
}
