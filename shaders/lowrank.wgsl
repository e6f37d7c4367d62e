// The gradients of the pair A [s, r], B [r, d] of DePT's shift scale·A·B, from
// the gradient G [length, d] of A·B, which embed.wgsl sums over the batch:
//
//   dA[:length] += G·Bᵀ      dB += A[:length]ᵀ·G
//
// Both take four ranks at a time, so that a number of G serves four products.

override LANES: u32 = 64u;  // threads that share a dot product of grad_a

struct Params {
  length: u32,  // rows of G, at most s
  rank: u32,
  width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad: array<f32>;

var<workgroup> partial: array<vec4<f32>, LANES>;

// The ranks from k on; past the last one it stands for the others.
fn ranks(k: u32) -> vec4<u32> {
  return min(vec4(k, k + 1u, k + 2u, k + 3u), vec4(params.rank - 1u));
}

@compute @workgroup_size(LANES)
fn grad_a(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let fours = (params.rank + 3u) / 4u;
  let unit = wid.y * grid.x + wid.x;
  let t = unit / fours;
  let k = unit % fours * 4u;
  if (t >= params.length) {
    return;
  }
  let row = ranks(k) * params.width;
  var sum = vec4(0.0);
  for (var c = lane; c < params.width; c += LANES) {
    sum += g[t * params.width + c] * vec4(b[row.x + c], b[row.y + c], b[row.z + c], b[row.w + c]);
  }
  partial[lane] = sum;
  workgroupBarrier();
  if (lane < 4u && k + lane < params.rank) {
    var dot = 0.0;
    for (var i = 0u; i < LANES; i++) {
      dot += partial[i][lane];
    }
    grad[t * params.rank + k + lane] += dot;
  }
}

@compute @workgroup_size(64)
fn grad_b(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let chunks = (params.width + 63u) / 64u;
  let unit = wid.y * grid.x + wid.x;
  let k = unit / chunks * 4u;
  let column = unit % chunks * 64u + lid;
  if (k >= params.rank || column >= params.width) {
    return;
  }
  let rank = ranks(k);
  var sum = vec4(0.0);
  for (var t = 0u; t < params.length; t++) {
    let row = rank + t * params.rank;
    sum += g[t * params.width + column] * vec4(a[row.x], a[row.y], a[row.z], a[row.w]);
  }
  for (var j = 0u; j < min(4u, params.rank - k); j++) {
    grad[(k + j) * params.width + column] += sum[j];
  }
}
