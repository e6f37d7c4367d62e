// Dropout: out[i] = keep(i)·x[i], where keep is 0 with probability rate and
// 1/(1-rate) otherwise. The gradient is the same map on dout.

struct Params {
  n: u32,
  site: u32,
  threshold: u32,  // rate·2^32; 0 keeps everything
  scale: f32,      // 1/(1-rate)
}

struct Step {
  key: vec2<u32>,
  position: u32,
  slot: u32,
  loss_scale: f32,
  clip: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(9) var<uniform> step: Step;

// A 32-bit permutation with good avalanche: two rounds of xor-shift-multiply.
fn mix(v: u32) -> u32 {
  var h = v;
  h = (h ^ (h >> 16u)) * 0x7feb352du;
  h = (h ^ (h >> 15u)) * 0x846ca68bu;
  return h ^ (h >> 16u);
}

// The factor of an element: a function of the step's key, the site and the
// element's index alone.
fn keep(element: u32) -> f32 {
  if (params.threshold == 0u) {
    return 1.0;
  }
  let h = mix(mix(element + step.key.x) ^ (step.key.y + params.site * 0x9e3779b9u));
  return select(params.scale, 0.0, h < params.threshold);
}

@compute @workgroup_size(64)
fn dropout(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let i = (wid.y * grid.x + wid.x) * 64u + lid;
  if (i < params.n) {
    out[i] = keep(i) * x[i];
  }
}
