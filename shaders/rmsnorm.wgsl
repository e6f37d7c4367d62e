// RMSNorm, T5's layer norm: no mean is subtracted and there is no bias.
//
//   forward  out = keep·(x·rstd·w),  rstd = 1/√(mean(x²) + eps) of each row
//   backward with d = keep·dout, n the width:
//     dx = rstd·(d·w - x·rstd²/n·Σ d·w·x)
//     dw = Σ over the rows of d·x·rstd
//
// keep is dropout on the result; an element's index in [rows, width] names it. Where x
// came out of a dropout, grad_x_dropped writes what goes on from there as well.

override LANES: u32 = 64u;  // threads that share a row, in forward and grad_x

struct Params {
  rows: u32,
  width: u32,
  eps: f32,
  prev: u32,  // grad_x: 1 adds to the gradient at binding 5
  site: u32,
  threshold: u32,
  keep_scale: f32,
  then_site: u32,  // grad_x_dropped: the dropout that x came out of
  then_threshold: u32,
  then_keep_scale: f32,
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

var<workgroup> partial: array<f32, 256>;

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

// The sum of value over the lanes of a row, the same in each of them.
fn over_lanes(value: f32, lane: u32) -> f32 {
  partial[lane] = value;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < LANES; i++) {
    sum += partial[i];
  }
  return sum;
}

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read_write> rstd_out: array<f32>;

@compute @workgroup_size(LANES)
fn forward(group: Group, @builtin(local_invocation_index) lane: u32) {
  let row = number_of(group);
  if (row >= params.rows) {
    return;
  }
  let begin = row * params.width;
  let end = begin + params.width;
  var squares = 0.0;
  for (var i = begin + lane; i < end; i += LANES) {
    squares += x[i] * x[i];
  }
  let rstd = inverseSqrt(over_lanes(squares, lane) / f32(params.width) + params.eps);
  for (var i = begin + lane; i < end; i += LANES) {
    out[i] = keep(i) * (x[i] * rstd * w[i - begin]);
  }
  if (lane == 0u) {
    rstd_out[row] = rstd;
  }
}

@group(0) @binding(3) var<storage, read> rstd_in: array<f32>;
@group(0) @binding(4) var<storage, read> dout: array<f32>;
@group(0) @binding(5) var<storage, read> prev: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(7) var<storage, read_write> dropped: array<f32>;

// rstd²/n·Σ d·w·x of a row, the same in each of its lanes.
fn slope_of(row: u32, lane: u32) -> f32 {
  let begin = row * params.width;
  let end = begin + params.width;
  var dot = 0.0;
  for (var i = begin + lane; i < end; i += LANES) {
    dot += keep(i) * dout[i] * w[i - begin] * x[i];
  }
  let rstd = rstd_in[row];
  return over_lanes(dot, lane) / f32(params.width) * rstd * rstd;
}

fn dx_at(i: u32, column: u32, rstd: f32, slope: f32) -> f32 {
  let d = rstd * (keep(i) * dout[i] * w[column] - slope * x[i]);
  if (params.prev == 0u) {
    return d;
  }
  return d + prev[i];
}

@compute @workgroup_size(LANES)
fn grad_x(group: Group, @builtin(local_invocation_index) lane: u32) {
  let row = number_of(group);
  if (row >= params.rows) {
    return;
  }
  let slope = slope_of(row, lane);
  let begin = row * params.width;
  let end = begin + params.width;
  let rstd = rstd_in[row];
  for (var i = begin + lane; i < end; i += LANES) {
    dx[i] = dx_at(i, i - begin, rstd, slope);
  }
}

@compute @workgroup_size(LANES)
fn grad_x_dropped(group: Group, @builtin(local_invocation_index) lane: u32) {
  let row = number_of(group);
  if (row >= params.rows) {
    return;
  }
  let slope = slope_of(row, lane);
  let begin = row * params.width;
  let end = begin + params.width;
  let rstd = rstd_in[row];
  for (var i = begin + lane; i < end; i += LANES) {
    let d = dx_at(i, i - begin, rstd, slope);
    dx[i] = d;
    // `keep` of the other dropout.
    let h = mix(mix(i + step.key.x) ^ (step.key.y + params.then_site * 0x9e3779b9u));
    dropped[i] = d * select(params.then_keep_scale, 0.0, h < params.then_threshold);
  }
}

@group(0) @binding(2) var<storage, read> rstd: array<f32>;
@group(0) @binding(3) var<storage, read> dout_w: array<f32>;
@group(0) @binding(4) var<storage, read_write> dw: array<f32>;

// A workgroup sums 16 columns over all rows, each of its 16 threads a column
// every 16th row.
@compute @workgroup_size(256)
fn grad_w(group: Group, @builtin(local_invocation_index) lane: u32) {
  let column = number_of(group) * 16u + lane % 16u;
  let live = column < params.width;
  var sum = 0.0;
  for (var row = select(params.rows, lane / 16u, live); row < params.rows; row += 16u) {
    let i = row * params.width + column;
    sum += keep(i) * dout_w[i] * (x[i] * rstd[row]);
  }
  partial[lane] = sum;
  workgroupBarrier();
  if (live && lane < 16u) {
    sum = 0.0;
    for (var i = lane; i < 256u; i += 16u) {
      sum += partial[i];
    }
    dw[column] += sum;
  }
}
