// Which of four elements dropout zeroes, and its factors: what `keep` of dropout.wgsl is
// for one.
fn mix4(v: vec4<u32>) -> vec4<u32> {
  var h = v;
  h = (h ^ (h >> vec4(16u))) * 0x7feb352du;
  h = (h ^ (h >> vec4(15u))) * 0x846ca68bu;
  return h ^ (h >> vec4(16u));
}

fn drops4(element: vec4<u32>) -> vec4<bool> {
  return mix4(mix4(element + step.key.x) ^ vec4(step.key.y + params.site * 0x9e3779b9u)) < vec4(params.threshold);
}

fn keep4(element: vec4<u32>) -> vec4<f32> {
  return select(vec4(params.keep_scale), vec4(0.0), drops4(element));
}
