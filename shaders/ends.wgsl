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
  threshold: u32,
  keep_scale: f32,
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

// shared: step
// What changes from one step to the next: Step in shaders.go.
struct Step {
  key: vec2<u32>,   // dropout's
  position: u32,    // decoding: tokens already in the cache
  slot: u32,        // of the ring of records
  loss_scale: f32,
  clip: f32,        // largest norm of all gradients; 0 does not clip
  grad_scale: f32,  // all gradients are so many times as large as they are
}

@group(0) @binding(9) var<uniform> step: Step;
// end shared

// shared: dropout
// A 32-bit permutation with good avalanche: two rounds of xor-shift-multiply.
fn mix(v: u32) -> u32 {
  var h = v;
  h = (h ^ (h >> 16u)) * 0x7feb352du;
  h = (h ^ (h >> 15u)) * 0x846ca68bu;
  return h ^ (h >> 16u);
}

// The dropout factor of an element: a function of the step's key, the site and
// the element's index alone. Of params, threshold is rate·2^32, 0 keeping
// everything, and keep_scale 1/(1-rate).
fn keep(element: u32) -> f32 {
  if (params.threshold == 0u) {
    return 1.0;
  }
  let h = mix(mix(element + step.key.x) ^ (step.key.y + params.site * 0x9e3779b9u));
  return select(params.keep_scale, 0.0, h < params.threshold);
}
// end shared

// shared: ends
// The ends of a product, on neighbors z of its row. `at` is the index in out of
// the first number that comes out.
fn keep_four(at: u32) -> vec4<f32> {
  return vec4(keep(at), keep(at + 1u), keep(at + 2u), keep(at + 3u));
}

fn relu_end(z: vec4<f32>, at: u32) -> vec4<f32> {
  return keep_four(at) * max(z, vec4(0.0));
}

fn residual_end(z: vec4<f32>, residual: vec4<f32>, at: u32) -> vec4<f32> {
  return residual + keep_four(at) * z;
}

// 0.5·x·(1 + tanh(u)) = x / (1 + exp(-2u)), u = √(2/π)·(x + 0.044715·x³). The
// clamp keeps exp finite.
fn gelu(x: vec2<f32>) -> vec2<f32> {
  let u = clamp(0.7978845608028654 * (x + 0.044715 * x * x * x), vec2(-40.0), vec2(40.0));
  return x / (1.0 + exp(-2.0 * u));
}

fn gated_end(z: vec4<f32>, at: u32) -> vec2<f32> {
  return vec2(keep(at), keep(at + 1u)) * gelu(z.xz) * z.yw;
}

// Their gradients, of relu from what came out and of gated from the z that went in:
// see ends.wgsl.
fn relu_end_grad(dout: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
  return select(vec4(0.0), params.keep_scale * dout, y > vec4(0.0));
}

fn gated_end_grad(dout: vec2<f32>, z: vec4<f32>, at: u32) -> vec4<f32> {
  let g = z.xz;
  let l = z.yw;
  let d = vec2(keep(at), keep(at + 1u)) * dout;
  // √(2/π) is 0.7978845608. Past ±80 σ is 0 or 1 to float32, and exp stays finite.
  let u = 0.7978845608 * g * (1.0 + 0.044715 * g * g);
  let du = 0.7978845608 * (1.0 + 0.134145 * g * g);
  let e = exp(clamp(-2.0 * u, vec2(-80.0), vec2(80.0)));
  let s = 1.0 / (1.0 + e);
  let dg = d * l * (s + 2.0 * g * du * s * (e * s));
  let dl = d * g * s;
  return vec4(dg.x, dl.x, dg.y, dl.y);
}
// end shared

@group(0) @binding(1) var<storage, read> z: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> end: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> halved: array<vec2<f32>>;

@compute @workgroup_size(64)
fn relu(group: Group, @builtin(local_invocation_index) lane: u32) {
  _ = &residual;  // all ends bind alike
  let i = number_of(group) * 64u + lane;
  if (4u * i < params.n) {
    end[i] = relu_end(z[i], 4u * i);
  }
}

@compute @workgroup_size(64)
fn add_residual(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (4u * i < params.n) {
    end[i] = residual_end(z[i], residual[i], 4u * i);
  }
}

@compute @workgroup_size(64)
fn gated(group: Group, @builtin(local_invocation_index) lane: u32) {
  _ = &residual;
  let i = number_of(group) * 64u + lane;
  if (2u * i < params.n) {
    halved[i] = gated_end(z[i], 2u * i);
  }
}

@group(0) @binding(1) var<storage, read> dout: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dz: array<vec4<f32>>;

@compute @workgroup_size(64)
fn relu_grad(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (4u * i < params.n) {
    dz[i] = relu_end_grad(dout[i], out[i]);
  }
}

@group(0) @binding(1) var<storage, read> gated_dout: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> pre: array<vec4<f32>>;             // (g, l, g, l)
@group(0) @binding(3) var<storage, read_write> dpre: array<vec4<f32>>;  // (dg, dl, dg, dl)

@compute @workgroup_size(64)
fn gated_grad(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (2u * i < params.n) {
    dpre[i] = gated_end_grad(gated_dout[i], pre[i], 2u * i);
  }
}
