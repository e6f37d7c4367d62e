// The ends that are fused to a matmul, each alone, and their gradients.
//
//   relu      out = keep·max(z, 0)       dz = dout·(out > 0 ? 1/(1-rate) : 0)
//   gated     out = keep·gelu(g)·l       dg = keep·dout·l·gelu'(g),  dl = keep·dout·gelu(g)
//   residual  out = residual + keep·z    dz = keep·dout: dropout.wgsl
//
// z is [rows, width]; for gated it holds g and l in turn, [rows, 2·width].
//
// gelu is the tanh approximation, which T5 1.1 calls gelu_new. (1 + tanh u)/2 is
// the logistic function σ of 2u, which loses no digits far from 0, so
//
//   gelu(g)  = g·σ(2u),   u = √(2/π)·(g + 0.044715·g³)
//   gelu'(g) = σ(2u) + 2g·u'·σ(2u)·σ(-2u),   u' = √(2/π)·(1 + 3·0.044715·g²)
//
// keep is dropout; an element's index in [rows, width] names it.
//
// A thread takes 16 bytes of z or of dz. The last ones may reach past n: buffers are
// whole multiples of 16 bytes.

struct Params {
  n: u32,          // numbers in out
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
@group(0) @binding(9) var<uniform> step: Step;

fn mix(v: u32) -> u32 {
  var h = v;
  h = (h ^ (h >> 16u)) * 0x7feb352du;
  h = (h ^ (h >> 15u)) * 0x846ca68bu;
  return h ^ (h >> 16u);
}

// The dropout factor of an element, as in dropout.wgsl.
fn keep(element: u32) -> f32 {
  if (params.threshold == 0u) {
    return 1.0;
  }
  let h = mix(mix(element + step.key.x) ^ (step.key.y + params.site * 0x9e3779b9u));
  return select(params.scale, 0.0, h < params.threshold);
}

fn index(wid: vec3<u32>, grid: vec3<u32>, lid: u32) -> u32 {
  return (wid.y * grid.x + wid.x) * 64u + lid;
}

fn keep_four(at: u32) -> vec4<f32> {
  return vec4(keep(at), keep(at + 1u), keep(at + 2u), keep(at + 3u));
}

// 0.5·x·(1 + tanh(u)) = x / (1 + exp(-2u)), u = √(2/π)·(x + 0.044715·x³). The
// clamp keeps exp finite.
fn gelu(x: vec2<f32>) -> vec2<f32> {
  let u = clamp(0.7978845608028654 * (x + 0.044715 * x * x * x), vec2<f32>(-40.0), vec2<f32>(40.0));
  return x / (1.0 + exp(-2.0 * u));
}

@group(0) @binding(1) var<storage, read> z: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> end: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> gated_end: array<vec2<f32>>;

@compute @workgroup_size(64)
fn relu(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  _ = &residual;  // all ends bind alike
  let i = index(wid, grid, lid);
  if (4u * i < params.n) {
    end[i] = keep_four(4u * i) * max(z[i], vec4(0.0));
  }
}

@compute @workgroup_size(64)
fn add_residual(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let i = index(wid, grid, lid);
  if (4u * i < params.n) {
    end[i] = residual[i] + keep_four(4u * i) * z[i];
  }
}

@compute @workgroup_size(64)
fn gated(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  _ = &residual;
  let i = index(wid, grid, lid);
  if (2u * i < params.n) {
    gated_end[i] = vec2(keep(2u * i), keep(2u * i + 1u)) * gelu(z[i].xz) * z[i].yw;
  }
}

@group(0) @binding(1) var<storage, read> dout: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dz: array<vec4<f32>>;

@compute @workgroup_size(64)
fn relu_grad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let i = index(wid, grid, lid);
  if (4u * i < params.n) {
    dz[i] = select(vec4(0.0), params.scale * dout[i], out[i] > vec4(0.0));
  }
}

@group(0) @binding(1) var<storage, read> gated_dout: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> pre: array<vec4<f32>>;             // (g, l, g, l)
@group(0) @binding(3) var<storage, read_write> dpre: array<vec4<f32>>;  // (dg, dl, dg, dl)

@compute @workgroup_size(64)
fn gated_grad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let i = index(wid, grid, lid);
  if (2u * i >= params.n) {
    return;
  }
  let g = pre[i].xz;
  let l = pre[i].yw;
  let d = vec2(keep(2u * i), keep(2u * i + 1u)) * gated_dout[i];
  // √(2/π) is 0.7978845608. Past ±80 σ is 0 or 1 to float32, and exp stays finite.
  let u = 0.7978845608 * g * (1.0 + 0.044715 * g * g);
  let du = 0.7978845608 * (1.0 + 0.134145 * g * g);
  let e = exp(clamp(-2.0 * u, vec2(-80.0), vec2(80.0)));
  let s = 1.0 / (1.0 + e);
  let dg = d * l * (s + 2.0 * g * du * s * (e * s));
  let dl = d * g * s;
  dpre[i] = vec4(dg.x, dl.x, dg.y, dl.y);
}
