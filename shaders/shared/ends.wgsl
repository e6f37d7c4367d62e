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
