// T5 attention for software adapters: the formulas of attention_forward.wgsl and its
// siblings, without workgroup memory and barriers, for head sizes of 16, 32, 48 and 64
// and strides and offsets that are multiples of 4.
//
// Such an adapter runs the invocations of a workgroup as the lanes of a vector
// register, and a load costs it as much as fifteen multiplications. So an
// invocation keeps four rows of its operands and sums at hand, and reads each row
// of the other side once for all four. Those rows are written out as structs of
// matrices: arrays in loops would be masked at every turn of the loop, which
// costs twice the arithmetic, and take a minute to compile.

override PARTS: u32 = 4;  // head size / 16

const LANES: u32 = 8;
const LOWEST: f32 = -3.0e38;

// shared: attention_params
struct Params {
  batch: u32,
  heads: u32,
  queries: u32,
  keys: u32,
  q_stride: u32,   // of a row of q, in floats
  q_offset: u32,
  kv_stride: u32,
  k_offset: u32,
  v_offset: u32,
  bias_span: u32,  // L of the bias [heads, 2L-1]; 0: no bias
  windowed: u32,
  causal: u32,
  decode: u32,
  site: u32,
  threshold: u32,
  keep_scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// end shared

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

// All entry points but delta.
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> kv: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
// The first and the end of the keys that each query may see; in grad_kv, of the
// queries that may see each key.
@group(0) @binding(4) var<storage, read> window: array<vec2<u32>>;
// forward
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> row_stats: array<vec2<f32>>;
// grad_q, grad_kv, grad_bias
@group(0) @binding(5) var<storage, read> dout: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> grad: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> dbias: array<f32>;
// delta
@group(0) @binding(1) var<storage, read> delta_dout: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> delta_out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> delta_stats: array<vec2<f32>>;

// shared: dropout4
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
// end shared

// shared: attention_wide
// A head's part of a row: 64 numbers, those beyond the head size zero.
struct Row {
  a: mat4x4<f32>,
  b: mat4x4<f32>,
  c: mat4x4<f32>,
  d: mat4x4<f32>,
}

fn row_of(a: mat4x4<f32>, b: mat4x4<f32>, c: mat4x4<f32>, d: mat4x4<f32>) -> Row {
  var x = Row(a, b, c, d);
  if (PARTS < 2u) {
    x.b = mat4x4<f32>();
  }
  if (PARTS < 3u) {
    x.c = mat4x4<f32>();
  }
  if (PARTS < 4u) {
    x.d = mat4x4<f32>();
  }
  return x;
}

fn dot16(x: mat4x4<f32>, y: mat4x4<f32>) -> vec4<f32> {
  return x[0] * y[0] + x[1] * y[1] + x[2] * y[2] + x[3] * y[3];
}

fn dot_row(x: Row, y: Row) -> f32 {
  let s = dot16(x.a, y.a) + dot16(x.b, y.b) + dot16(x.c, y.c) + dot16(x.d, y.d);
  return s.x + s.y + s.z + s.w;
}

// s·x + w·y
fn blend(s: f32, x: Row, w: f32, y: Row) -> Row {
  return Row(s * x.a + w * y.a, s * x.b + w * y.b, s * x.c + w * y.c, s * x.d + w * y.d);
}

// x + w·y
fn add(x: Row, w: f32, y: Row) -> Row {
  return Row(x.a + w * y.a, x.b + w * y.b, x.c + w * y.c, x.d + w * y.d);
}

struct Rows {
  x: Row,
  y: Row,
  z: Row,
  w: Row,
}

// The rows moved up by one, with last at the end. Loops that read or write four
// rows take them in turn this way, and count from first so that no compiler
// unrolls them.
fn push(r: Rows, last: Row) -> Rows {
  return Rows(r.y, r.z, r.w, last);
}

fn dots(r: Rows, x: Row) -> vec4<f32> {
  return vec4(dot_row(r.x, x), dot_row(r.y, x), dot_row(r.z, x), dot_row(r.w, x));
}

fn blend_rows(s: vec4<f32>, r: Rows, w: vec4<f32>, y: Row) -> Rows {
  return Rows(blend(s.x, r.x, w.x, y), blend(s.y, r.y, w.y, y), blend(s.z, r.z, w.z, y), blend(s.w, r.w, w.w, y));
}

fn add_rows(r: Rows, w: vec4<f32>, y: Row) -> Rows {
  return Rows(add(r.x, w.x, y), add(r.y, w.y, y), add(r.z, w.z, y), add(r.w, w.w, y));
}

fn q_part(at: u32) -> mat4x4<f32> {
  return mat4x4(q[at], q[at + 1u], q[at + 2u], q[at + 3u]);
}

fn q_row(at: u32) -> Row {
  return row_of(q_part(at), q_part(at + 4u), q_part(at + 8u), q_part(at + 12u));
}

fn kv_part(at: u32) -> mat4x4<f32> {
  return mat4x4(kv[at], kv[at + 1u], kv[at + 2u], kv[at + 3u]);
}

fn kv_row(at: u32) -> Row {
  return row_of(kv_part(at), kv_part(at + 4u), kv_part(at + 8u), kv_part(at + 12u));
}

fn dout_part(at: u32) -> mat4x4<f32> {
  return mat4x4(dout[at], dout[at + 1u], dout[at + 2u], dout[at + 3u]);
}

fn dout_row(at: u32) -> Row {
  return row_of(dout_part(at), dout_part(at + 4u), dout_part(at + 8u), dout_part(at + 12u));
}

fn write_out(at: u32, x: mat4x4<f32>) {
  out[at] = x[0];
  out[at + 1u] = x[1];
  out[at + 2u] = x[2];
  out[at + 3u] = x[3];
}

fn write_grad(at: u32, x: mat4x4<f32>) {
  grad[at] = x[0];
  grad[at + 1u] = x[1];
  grad[at + 2u] = x[2];
  grad[at + 3u] = x[3];
}

fn write_grad_row(at: u32, x: Row) {
  write_grad(at, x.a);
  if (PARTS > 1u) {
    write_grad(at + 4u, x.b);
  }
  if (PARTS > 2u) {
    write_grad(at + 8u, x.c);
  }
  if (PARTS > 3u) {
    write_grad(at + 12u, x.d);
  }
}

fn q_index(b: u32, h: u32, row: u32) -> u32 {
  return ((b * params.queries + row) * params.q_stride + params.q_offset) / 4u + h * PARTS * 4u;
}

fn k_index(b: u32, h: u32, row: u32) -> u32 {
  return ((b * params.keys + row) * params.kv_stride + params.k_offset) / 4u + h * PARTS * 4u;
}

fn v_index(b: u32, h: u32, row: u32) -> u32 {
  return ((b * params.keys + row) * params.kv_stride + params.v_offset) / 4u + h * PARTS * 4u;
}

fn out_index(b: u32, h: u32, row: u32) -> u32 {
  return ((b * params.queries + row) * params.heads + h) * PARTS * 4u;
}

// Four neighboring rows, of which those after the last are the last again.
fn four(first: u32, count: u32) -> vec4<u32> {
  return min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(count - 1u));
}

// Where the queries of these rows stand among the keys.
fn position(row: vec4<u32>) -> vec4<u32> {
  return select(row, row + step.position, vec4(params.decode != 0u));
}

// What each of four rows sees, or is seen by.
struct Windows {
  first: vec4<u32>,
  end: vec4<u32>,
}

fn windows_at(line: vec4<u32>) -> Windows {
  let x = window[line.x];
  let y = window[line.y];
  let z = window[line.z];
  let w = window[line.w];
  return Windows(vec4(x.x, y.x, z.x, w.x), vec4(x.y, y.y, z.y, w.y));
}

// The keys that these queries see.
fn keys_of(b: u32, row: vec4<u32>) -> Windows {
  var w = Windows(vec4(0u), vec4(params.keys));
  if (params.windowed != 0u) {
    w = windows_at(b * params.queries + row);
  }
  if (params.causal + params.decode != 0u) {
    w.end = min(w.end, position(row) + 1u);
  }
  w.end = min(w.end, vec4(params.keys));
  return w;
}

// The queries that see these keys.
fn queries_of(b: u32, row: vec4<u32>) -> Windows {
  var w = Windows(vec4(0u), vec4(params.queries));
  if (params.windowed != 0u) {
    w = windows_at(b * params.keys + row);
  }
  if (params.causal != 0u) {
    w.first = max(w.first, row);
  }
  w.end = min(w.end, vec4(params.queries));
  return w;
}

fn inside(w: Windows, at: u32) -> vec4<bool> {
  return (vec4(at) >= w.first) & (vec4(at) < w.end);
}

// What the four windows cover; empty ones add nothing, wherever they lie.
fn cover(w: Windows) -> vec2<u32> {
  let some = w.first < w.end;
  let first = select(vec4(0xffffffffu), w.first, some);
  let ends = select(vec4(0u), w.end, some);
  let end = max(max(ends.x, ends.y), max(ends.z, ends.w));
  return vec2(min(end, min(min(first.x, first.y), min(first.z, first.w))), end);
}

fn bias_at(h: u32, position: u32, key: u32) -> f32 {
  let at = h * (2u * params.bias_span - 1u) + params.bias_span - 1u + key - position;
  return select(0.0, bias[select(0u, at, params.bias_span != 0u)], params.bias_span != 0u);
}

// The pair of stats of four rows of a head, as two vectors.
struct Stats {
  log_sum: vec4<f32>,
  delta: vec4<f32>,
}

fn stats_of(line: vec4<u32>) -> Stats {
  let s = transpose(mat4x2(stats[line.x], stats[line.y], stats[line.z], stats[line.w]));
  return Stats(s[0], s[1]);
}
// end shared

@compute @workgroup_size(8)
fn forward(group: Group, @builtin(local_invocation_index) lane: u32) {
  let blocks = (params.queries + 3u) / 4u;
  let unit = number_of(group) * LANES + lane;
  if (unit >= params.batch * params.heads * blocks) {
    return;
  }
  let head = unit / blocks;
  let b = head / params.heads;
  let h = head % params.heads;
  let first = unit % blocks * 4u;
  let row = four(first, params.queries);
  let place = position(row);
  let sees = keys_of(b, row);
  let span = cover(sees);
  let line = (head * params.queries + row) * params.keys;

  var query = Rows();
  for (var r = first; r < first + 4u; r++) {
    query = push(query, q_row(q_index(b, h, min(r, row.w))));
  }
  // The biases of the four rows at the key before; from key to key each row
  // takes over that of the row above.
  var near = vec4(bias_at(h, place.y, span.x), bias_at(h, place.z, span.x), bias_at(h, place.w, span.x), 0.0);
  var sum = Rows();
  var total = vec4(0.0);
  var peak = vec4(0.5 * LOWEST);  // above the score of a key not seen, whose weight is so exp(0.5·LOWEST) = 0
  for (var key = span.x; key < span.y; key++) {
    near = vec4(bias_at(h, place.x, key), near.xyz);
    let score = select(vec4(LOWEST), dots(query, kv_row(k_index(b, h, key))) + near, inside(sees, key));
    // The sums so far are relative to the largest score so far. Either it
    // stays and this weight is below 1, or it rises to this score.
    let fall = exp(-abs(score - peak));
    let rises = score > peak;
    let keep_sum = select(vec4(1.0), fall, rises);
    let weight = select(fall, vec4(1.0), rises);
    peak = max(peak, score);
    total = total * keep_sum + weight;
    sum = blend_rows(keep_sum, sum, weight * keep4(line + key), kv_row(v_index(b, h, key)));
  }
  // Of a row that sees nothing, all is zero.
  let empty = total == vec4(0.0);
  total = select(total, vec4(1.0), empty);
  peak = select(peak + log(total), vec4(0.0), empty);
  total = 1.0 / total;
  for (var r = first; r < min(first + 4u, params.queries); r++) {
    let at = out_index(b, h, r);
    write_out(at, sum.x.a * total.x);
    if (PARTS > 1u) {
      write_out(at + 4u, sum.x.b * total.x);
    }
    if (PARTS > 2u) {
      write_out(at + 8u, sum.x.c * total.x);
    }
    if (PARTS > 3u) {
      write_out(at + 12u, sum.x.d * total.x);
    }
    row_stats[head * params.queries + r].x = peak.x;
    sum = push(sum, sum.x);
    total = total.yzwx;
    peak = peak.yzwx;
  }
}

@compute @workgroup_size(8)
fn delta(group: Group, @builtin(local_invocation_index) lane: u32) {
  let unit = number_of(group) * LANES + lane;
  if (unit >= params.batch * params.heads * params.queries) {
    return;
  }
  let head = unit / params.queries;
  let at = out_index(head / params.heads, head % params.heads, unit % params.queries);
  var sum = vec4(0.0);
  for (var i = 0u; i < PARTS * 4u; i++) {
    sum += delta_dout[at + i] * delta_out[at + i];
  }
  delta_stats[unit].y = sum.x + sum.y + sum.z + sum.w;
}

@compute @workgroup_size(8)
fn grad_q(group: Group, @builtin(local_invocation_index) lane: u32) {
  let blocks = (params.queries + 3u) / 4u;
  let unit = number_of(group) * LANES + lane;
  if (unit >= params.batch * params.heads * blocks) {
    return;
  }
  let head = unit / blocks;
  let b = head / params.heads;
  let h = head % params.heads;
  let first = unit % blocks * 4u;
  let row = four(first, params.queries);
  let place = position(row);
  let sees = keys_of(b, row);
  let span = cover(sees);
  let line = (head * params.queries + row) * params.keys;
  let stat = stats_of(head * params.queries + row);

  var query = Rows();
  var above = Rows();
  for (var r = first; r < first + 4u; r++) {
    query = push(query, q_row(q_index(b, h, min(r, row.w))));
    above = push(above, dout_row(out_index(b, h, min(r, row.w))));
  }
  var near = vec4(bias_at(h, place.y, span.x), bias_at(h, place.z, span.x), bias_at(h, place.w, span.x), 0.0);
  var sum = Rows();
  for (var key = span.x; key < span.y; key++) {
    near = vec4(bias_at(h, place.x, key), near.xyz);
    let vector = kv_row(k_index(b, h, key));
    let weight = select(vec4(0.0), exp(dots(query, vector) + near - stat.log_sum), inside(sees, key));
    let slope = keep4(line + key) * dots(above, kv_row(v_index(b, h, key)));
    sum = add_rows(sum, weight * (slope - stat.delta), vector);
  }
  for (var r = first; r < min(first + 4u, params.queries); r++) {
    write_grad_row(q_index(b, h, r), sum.x);
    sum = push(sum, sum.x);
  }
}

@compute @workgroup_size(8)
fn grad_kv(group: Group, @builtin(local_invocation_index) lane: u32) {
  let blocks = (params.keys + 3u) / 4u;
  let unit = number_of(group) * LANES + lane;
  if (unit >= params.batch * params.heads * blocks) {
    return;
  }
  let head = unit / blocks;
  let b = head / params.heads;
  let h = head % params.heads;
  let first = unit % blocks * 4u;
  let row = four(first, params.keys);

  var keys = Rows();
  var values = Rows();
  for (var r = first; r < first + 4u; r++) {
    keys = push(keys, kv_row(k_index(b, h, min(r, row.w))));
    values = push(values, kv_row(v_index(b, h, min(r, row.w))));
  }
  let seen = queries_of(b, row);
  let span = cover(seen);
  var near = vec4(bias_at(h, span.x, row.y), bias_at(h, span.x, row.z), bias_at(h, span.x, row.w), 0.0);
  var key_sum = Rows();
  var value_sum = Rows();
  for (var i = span.x; i < span.y; i++) {
    near = vec4(bias_at(h, i, first), near.xyz);
    let stat = stats[head * params.queries + i];
    let query = q_row(q_index(b, h, i));
    let above = dout_row(out_index(b, h, i));
    let score = dots(keys, query) + near - stat.x;
    let weight = select(vec4(0.0), exp(score), inside(seen, i));
    let kept = keep4((head * params.queries + i) * params.keys + row);
    let slope = weight * (kept * dots(values, above) - stat.y);
    value_sum = add_rows(value_sum, weight * kept, above);
    key_sum = add_rows(key_sum, slope, query);
  }
  for (var r = first; r < min(first + 4u, params.keys); r++) {
    write_grad_row(k_index(b, h, r), key_sum.x);
    write_grad_row(v_index(b, h, r), value_sum.x);
    key_sum = push(key_sum, key_sum.x);
    value_sum = push(value_sum, value_sum.x);
  }
}

// One invocation sums four neighboring distances over the batch: for four
// queries at a time it forms the products with the seven keys that lie at one of
// them.
@compute @workgroup_size(8)
fn grad_bias(group: Group, @builtin(local_invocation_index) lane: u32) {
  let width = 2u * params.bias_span - 1u;
  let blocks = (width + 3u) / 4u;
  let unit = number_of(group) * LANES + lane;
  if (unit >= params.heads * blocks) {
    return;
  }
  let h = unit / blocks;
  let first = unit % blocks * 4u;
  // Key minus query of the first of these distances.
  let offset = i32(first) - i32(params.bias_span - 1u);
  // The queries that have a key at one of them.
  let start = u32(max(0, -3 - offset));
  let end = u32(clamp(i32(params.keys) - offset, 0, i32(params.queries)));
  var sum = vec4(0.0);
  for (var b = 0u; b < params.batch; b++) {
    for (var i = start; i < end; i += 4u) {
      let row = four(i, params.queries);
      var sees = keys_of(b, row);
      let nearest = vec4<i32>(row) + offset;
      if (!any(max(nearest, vec4<i32>(sees.first)) < min(nearest + 4, vec4<i32>(sees.end)))) {
        continue;
      }
      let k0 = vec4<u32>(clamp(vec4(i32(i) + offset) + vec4(0, 1, 2, 3), vec4(0), vec4(i32(params.keys) - 1)));
      let k1 = vec4<u32>(clamp(vec4(i32(i) + offset) + vec4(4, 5, 6, 7), vec4(0), vec4(i32(params.keys) - 1)));
      var score = mat4x4<f32>();
      var slope = mat4x4<f32>();
      for (var e = 0u; e < PARTS * 4u; e++) {
        let x = array(kv[k_index(b, h, k0.x) + e], kv[k_index(b, h, k0.y) + e], kv[k_index(b, h, k0.z) + e],
          kv[k_index(b, h, k0.w) + e], kv[k_index(b, h, k1.x) + e], kv[k_index(b, h, k1.y) + e], kv[k_index(b, h, k1.z) + e]);
        score = mat4x4(
          score[0] + q[q_index(b, h, row.x) + e] * mat4x4(x[0], x[1], x[2], x[3]),
          score[1] + q[q_index(b, h, row.y) + e] * mat4x4(x[1], x[2], x[3], x[4]),
          score[2] + q[q_index(b, h, row.z) + e] * mat4x4(x[2], x[3], x[4], x[5]),
          score[3] + q[q_index(b, h, row.w) + e] * mat4x4(x[3], x[4], x[5], x[6]));
        let y = array(kv[v_index(b, h, k0.x) + e], kv[v_index(b, h, k0.y) + e], kv[v_index(b, h, k0.z) + e],
          kv[v_index(b, h, k0.w) + e], kv[v_index(b, h, k1.x) + e], kv[v_index(b, h, k1.y) + e], kv[v_index(b, h, k1.z) + e]);
        slope = mat4x4(
          slope[0] + dout[out_index(b, h, row.x) + e] * mat4x4(y[0], y[1], y[2], y[3]),
          slope[1] + dout[out_index(b, h, row.y) + e] * mat4x4(y[1], y[2], y[3], y[4]),
          slope[2] + dout[out_index(b, h, row.z) + e] * mat4x4(y[2], y[3], y[4], y[5]),
          slope[3] + dout[out_index(b, h, row.w) + e] * mat4x4(y[3], y[4], y[5], y[6]));
      }
      for (var r = 0u; r < 4u && i + r < params.queries; r++) {
        let line = (b * params.heads + h) * params.queries + i + r;
        let key = vec4(i32(i + r) + offset) + vec4(0, 1, 2, 3);
        let near = vec4(bias[h * width + first], bias[h * width + min(first + 1u, width - 1u)],
          bias[h * width + min(first + 2u, width - 1u)], bias[h * width + min(first + 3u, width - 1u)]);
        let seen = (key >= vec4(i32(sees.first.x))) & (key < vec4(i32(sees.end.x)));
        let weight = select(vec4(0.0), exp(score[0] + near - stats[line].x), seen);
        sum += weight * (keep4(line * params.keys + vec4<u32>(key)) * slope[0] - stats[line].y);
        sees = Windows(sees.first.yzwx, sees.end.yzwx);
        score = mat4x4(score[1], score[2], score[3], score[0]);
        slope = mat4x4(slope[1], slope[2], slope[3], slope[0]);
      }
    }
  }
  for (var r = 0u; r < 4u && first + r < width; r++) {
    dbias[h * width + first + r] += sum.x;
    sum = sum.yzwx;
  }
}
