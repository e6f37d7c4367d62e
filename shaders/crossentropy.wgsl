// Cross-entropy of logits x [rows, vocab] against labels, and its gradient:
//
//   nll = log Σ exp(x) - x[label]      dx = loss_scale·grad_scale·(exp(x)/Σ exp(x) - onehot(label))
//
// Rows labeled below 0 are left out: loss 0, gradient 0. The logits may come in
// slices of the vocabulary, one after the other in the same memory: stats takes
// in a slice, loss ends the forward pass, and grad turns a slice, computed again,
// into its gradient.
//
// stats [rows] holds (largest logit so far, Σ exp(x - largest), x[label], 0).

override LANES: u32 = 256u;  // threads that share a row; a power of two

struct Params {
  rows: u32,
  vocab: u32,  // columns of the slice
  first: u32,  // the slice's first class
  start: u32,  // stats, arg_max: 1 for the first slice
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

const LOWEST = -3.4028234663852886e38;  // of the finite numbers

@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<i32>;
@group(0) @binding(3) var<storage, read_write> stats_out: array<vec4<f32>>;

var<workgroup> sums: array<vec2<f32>, LANES>;

// Two sums of exponentials, each (largest, Σ exp(x - largest)), as one.
fn merge(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  let most = max(a.x, b.x);
  return vec2(most, a.y * exp(a.x - most) + b.y * exp(b.x - most));
}

@compute @workgroup_size(LANES)
fn stats(group: Group, @builtin(local_invocation_index) lane: u32) {
  let row = number_of(group);
  if (row >= params.rows) {
    return;
  }
  let begin = row * params.vocab;
  let end = begin + params.vocab;
  var most = LOWEST;
  for (var i = begin + lane; i < end; i += LANES) {
    most = max(most, logits[i]);
  }
  // Short sums of sums keep their digits.
  var sum = 0.0;
  for (var block = begin; block < end; block += 32u * LANES) {
    let stop = min(block + 32u * LANES, end);
    var part = 0.0;
    for (var i = block + lane; i < stop; i += LANES) {
      part += exp(logits[i] - most);
    }
    sum += part;
  }
  sums[lane] = vec2(most, sum);
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] = merge(sums[lane], sums[lane + half]);
    }
  }
  if (lane == 0u) {
    var s = vec4(sums[0], 0.0, 0.0);
    if (params.start == 0u) {
      let old = stats_out[row];
      s = vec4(merge(old.xy, s.xy), old.z, 0.0);
    }
    let column = u32(labels[row]) - params.first;  // wraps round where the label is elsewhere
    if (column < params.vocab) {
      s.z = logits[begin + column];
    }
    stats_out[row] = s;
  }
}

@group(0) @binding(1) var<storage, read> loss_labels: array<i32>;
@group(0) @binding(2) var<storage, read> loss_stats: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> nll: array<f32>;
@group(0) @binding(4) var<storage, read_write> total: array<f32>;

var<workgroup> losses: array<f32, LANES>;

// One workgroup goes over all rows, so that their sum has one order.
@compute @workgroup_size(LANES)
fn loss(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var row = lane; row < params.rows; row += LANES) {
    var l = 0.0;
    if (loss_labels[row] >= 0) {
      let s = loss_stats[row];
      l = log(s.y) + (s.x - s.z);
    }
    nll[row] = l;
    sum += l;
  }
  losses[lane] = sum;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      losses[lane] += losses[lane + half];
    }
  }
  if (lane == 0u) {
    total[0] += step.loss_scale * losses[0];
  }
}

@group(0) @binding(1) var<storage, read_write> slice: array<f32>;
@group(0) @binding(3) var<storage, read> grad_stats: array<vec4<f32>>;

@compute @workgroup_size(64)
fn grad(group: Group, @builtin(local_invocation_index) lane: u32) {
  let chunks = (params.vocab + 255u) / 256u;
  let unit = number_of(group);
  let row = unit / chunks;
  if (row >= params.rows) {
    return;
  }
  let label = labels[row];
  let s = grad_stats[row];
  let begin = unit % chunks * 256u;
  let end = min(begin + 256u, params.vocab);
  for (var column = begin + lane; column < end; column += 64u) {
    let i = row * params.vocab + column;
    var d = 0.0;
    if (label >= 0) {
      let p = exp(slice[i] - s.x) / s.y;
      d = step.loss_scale * step.grad_scale * select(p, p - 1.0, column + params.first == u32(label));
    }
    slice[i] = d;
  }
}

@group(0) @binding(2) var<storage, read_write> best: array<u32>;
@group(0) @binding(3) var<storage, read_write> largest: array<f32>;

var<workgroup> values: array<f32, LANES>;
var<workgroup> ids: array<u32, LANES>;

// The class of each row's largest logit, the lowest of equals, and that logit. A NaN
// is never the largest; a row of nothing else gives 0.
@compute @workgroup_size(LANES)
fn arg_max(group: Group, @builtin(local_invocation_index) lane: u32) {
  let row = number_of(group);
  if (row >= params.rows) {
    return;
  }
  var value = LOWEST;
  var id = 0u;
  for (var i = lane; i < params.vocab; i += LANES) {
    let v = logits[row * params.vocab + i];
    if (v > value) {
      value = v;
      id = i;
    }
  }
  values[lane] = value;
  ids[lane] = id;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      let v = values[lane + half];
      if (v > values[lane] || (v == values[lane] && ids[lane + half] < ids[lane])) {
        values[lane] = v;
        ids[lane] = ids[lane + half];
      }
    }
  }
  if (lane == 0u && (params.start != 0u || values[0] > largest[row])) {
    best[row] = params.first + ids[0];
    largest[row] = values[0];
  }
}
