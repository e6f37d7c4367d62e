// The clip on the global norm of all gradients, and the record of an update:
//
//   norm = √Σ grad² / grad_scale,  factor = min(1, clip/(norm + 1e-6)), 1 without a clip
//
// sum_squares runs for each gradient, clip_norm once. Losses are read late, so what
// is not finite is caught here: the factor then stops the update.

struct Params {
  n: u32,     // numbers; clip_norm: partial sums
  slot: u32,  // sum_squares: where its partial sums begin
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
fn sum_squares(group: Group, @builtin(local_invocation_index) lane: u32) {
  let block = number_of(group);
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

// Read off the bits: compilers may take it that floats are finite.
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
    let norm = sqrt(sum) / step.grad_scale;
    let loss = total[0];
    var ok = 0.0;
    var factor = 0.0;
    if (finite(sum) && finite(loss)) {
      ok = 1.0;
      factor = select(1.0, min(1.0, step.clip / (norm + 1e-6)), step.clip > 0.0);
    }
    records[step.slot] = vec4(loss, norm, ok, factor);
    clip[0] = factor / step.grad_scale;
    clip[1] = ok;
    total[0] = 0.0;
  }
}
