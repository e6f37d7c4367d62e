// transformers' AdamW, with a clip on the global norm of all gradients:
//
//   norm = √Σ grad²,  factor = min(1, clip/(norm + 1e-6)), 1 without a clip
//   g = factor·grad
//   m = β1·m + (1-β1)·g
//   v = β2·v + (1-β2)·g²
//   p = p - rate·m/(√v + eps)
//
// The host puts the learning rate of a group of parameters and both corrections
// of bias into its rate. sum_squares runs for each gradient, clip_norm once,
// adamw for each parameter. Losses are read late, so what is not finite is caught
// here: then nothing but the gradient changes.

struct Params {
  n: u32,        // numbers; clip_norm: partial sums
  slot: u32,     // sum_squares: where its partial sums begin
  group: u32,    // adamw: whose rate
  scale: f32,    // of it
  beta1: f32,
  beta2: f32,
  alpha1: f32,   // 1 - β1, rounded once
  alpha2: f32,   // 1 - β2
  eps: f32,
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

var<workgroup> sums: array<f32, 256>;

// The sum of value over a workgroup, in thread 0.
fn over_workgroup(value: f32, lane: u32) -> f32 {
  sums[lane] = value;
  for (var half = 128u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
  }
  return sums[0];
}

@group(0) @binding(1) var<storage, read> squared: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

// A workgroup sums 65,536 squares, each thread 16 times 16 of them: short sums
// of sums keep their digits.
@compute @workgroup_size(256)
fn sum_squares(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let block = wid.y * grid.x + wid.x;
  if (block * 65536u >= params.n) {
    return;
  }
  var sum = 0.0;
  for (var i = 0u; i < 16u; i++) {
    var part = 0.0;
    for (var j = 0u; j < 16u; j++) {
      let at = block * 65536u + (i * 16u + j) * 256u + lane;
      if (at < params.n) {
        part += squared[at] * squared[at];
      }
    }
    sum += part;
  }
  sum = over_workgroup(sum, lane);
  if (lane == 0u) {
    partials[params.slot + block] = sum;
  }
}

@group(0) @binding(1) var<storage, read> squares: array<f32>;
@group(0) @binding(2) var<storage, read_write> total: array<f32>;
@group(0) @binding(3) var<storage, read_write> records: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> clip: array<f32>;

// Told from the bits: compilers may take it that floats are finite.
fn finite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

@compute @workgroup_size(256)
fn clip_norm(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = lane; i < params.n; i += 256u) {
    sum += squares[i];
  }
  sum = over_workgroup(sum, lane);
  if (lane == 0u) {
    let norm = sqrt(sum);
    let loss = total[0];
    var ok = 0.0;
    var factor = 0.0;
    if (finite(sum) && finite(loss)) {
      ok = 1.0;
      factor = select(1.0, min(1.0, step.clip / (norm + 1e-6)), step.clip > 0.0);
    }
    records[step.slot] = vec4(loss, norm, ok, factor);
    clip[0] = factor;
    clip[1] = ok;
    total[0] = 0.0;
  }
}

@group(0) @binding(1) var<storage, read_write> param: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> grad: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> factor: array<f32>;
@group(0) @binding(6) var<storage, read> rates: array<f32>;

// A thread updates four numbers. The last ones may reach past n: buffers are
// whole multiples of 16 bytes.
@compute @workgroup_size(64)
fn adamw(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let i = (wid.y * grid.x + wid.x) * 64u + lid;
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
