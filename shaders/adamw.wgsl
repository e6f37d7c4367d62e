// transformers' AdamW:
//
//   g = factor·grad                 factor: of norm.wgsl, the clip's by the gradients' scale
//   m = β1·m + (1-β1)·g
//   v = β2·v + (1-β2)·g²
//   p = p - rate·m/(√v + eps)
//
// The host puts the learning rate of a group of parameters and both corrections
// of bias into its rate. Where norm.wgsl has stopped the update, nothing but the
// gradient changes.

struct Params {
  n: u32,
  group: u32,   // whose rate
  scale: f32,   // of it
  beta1: f32,
  beta2: f32,
  alpha1: f32,  // 1 - β1, rounded once
  alpha2: f32,  // 1 - β2
  eps: f32,
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

@group(0) @binding(1) var<storage, read_write> param: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> grad: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> factor: array<f32>;
@group(0) @binding(6) var<storage, read> rates: array<f32>;

// A thread updates four numbers. The last ones may reach past n: buffers are
// whole multiples of 16 bytes.
@compute @workgroup_size(64)
fn adamw(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (4u * i >= params.n) {
    return;
  }
  if (factor[1] == 1.0) {
    let g = factor[0] * grad[i];
    let first = params.beta1 * m[i] + params.alpha1 * g;
    let second = params.beta2 * v[i] + params.alpha2 * g * g;
    m[i] = first;
    v[i] = second;
    param[i] -= params.scale * rates[params.group] * first / (sqrt(second) + params.eps);
  }
  grad[i] = vec4(0.0);
}
