// Activations on their own, number by number, and their gradients:
//
//   forward  y = f(x)
//   grad     dx = dy·f'(x)
//
//   relu       max(x, 0)                          f' = x > 0 ? 1 : 0
//   leakyrelu  x > 0 ? x : x/100                  f' = x > 0 ? 1 : 1/100
//   swish      x·σ(x)                             f' = σ(x)·(1 + x·σ(-x))
//   gelu       x·Φ(x)                             f' = Φ(x) + x·exp(-x²/2)/√(2π)
//   gelu_new   x·σ(2u)                            f' = σ(2u)·(1 + 2x·u'·σ(-2u)),  see ends.wgsl
//   tanh       1 - 2/(exp(2x) + 1), odd           f' = 1 - tanh(x)²
//
// σ is the logistic function, which loses no digits far from 0. Φ is that of the
// normal distribution, whose tail is Abramowitz and Stegun's formula 7.1.26, right to
// 7.5e-8. WGSL's own tanh need not be right to more than 1e-5.
//
// A thread takes 16 bytes. The last ones may reach past n: buffers are whole multiples
// of 16 bytes.

struct Params {
  n: u32,
  kind: u32,  // Activation in activation.go
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

const RELU = 0u;
const LEAKY_RELU = 1u;
const SWISH = 2u;
const GELU = 3u;
const GELU_NEW = 4u;

// Past ±80 the logistic function is 0 or 1 to float32, and exp stays finite.
fn logistic(x: vec4<f32>) -> vec4<f32> {
  return 1.0 / (1.0 + exp(clamp(-x, vec4(-80.0), vec4(80.0))));
}

fn normal(x: vec4<f32>) -> vec4<f32> {
  let z = abs(x) * 0.7071067811865476;
  let t = 1.0 / (1.0 + 0.3275911 * z);
  let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let tail = 0.5 * series * exp(-min(z * z, vec4(80.0)));
  return select(tail, 1.0 - tail, x > vec4(0.0));
}

// Near 0 the quotient would lose digits, and a few terms of the series have them all.
fn tangent(x: vec4<f32>) -> vec4<f32> {
  let s = x * x;
  let near = x * (1.0 + s * (-0.33333333333 + s * (0.13333333333 + s * (-0.05396825397 + s * 0.02186948854))));
  let far = sign(x) * (1.0 - 2.0 / (exp(min(2.0 * abs(x), vec4(80.0))) + 1.0));
  return select(far, near, abs(x) < vec4(0.25));
}

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

fn value(x: vec4<f32>) -> vec4<f32> {
  switch (params.kind) {
    case RELU: { return max(x, vec4(0.0)); }
    case LEAKY_RELU: { return select(0.01 * x, x, x > vec4(0.0)); }
    case SWISH: { return x * logistic(x); }
    case GELU: { return x * normal(x); }
    case GELU_NEW: { return x * logistic(1.5957691216057308 * x * (1.0 + 0.044715 * x * x)); }
    default: { return tangent(x); }
  }
}

fn slope(x: vec4<f32>) -> vec4<f32> {
  switch (params.kind) {
    case RELU: { return select(vec4(0.0), vec4(1.0), x > vec4(0.0)); }
    case LEAKY_RELU: { return select(vec4(0.01), vec4(1.0), x > vec4(0.0)); }
    case SWISH: { return logistic(x) * (1.0 + x * logistic(-x)); }
    case GELU: { return normal(x) + 0.3989422804014327 * x * exp(-min(0.5 * x * x, vec4(80.0))); }
    case GELU_NEW: {
      let u = 1.5957691216057308 * x * (1.0 + 0.044715 * x * x);
      let du = 1.5957691216057308 * (1.0 + 0.134145 * x * x);
      return logistic(u) * (1.0 + x * du * logistic(-u));
    }
    default: {
      let t = tangent(x);
      return 1.0 - t * t;
    }
  }
}

@compute @workgroup_size(64)
fn forward(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (4u * i < params.n) {
    y[i] = value(x[i]);
  }
}

@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(64)
fn grad(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (4u * i < params.n) {
    dx[i] = dy[i] * slope(x[i]);
  }
}
