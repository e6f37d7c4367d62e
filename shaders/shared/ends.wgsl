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
