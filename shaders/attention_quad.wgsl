// T5 attention for software adapters with subgroup operations: attention_wide.wgsl,
// whose invocations here have neighboring rows of one head. Each four of them, a quad,
// read a row of the other side together, a part each, and hand the parts around: a
// load costs such an adapter far more than that. Where it pays, loops take
// two or four rows a turn, since what is carried from turn to turn is masked at each.

override PARTS: u32 = 4;  // head size / 16

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

@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> kv: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
// The first and the end of the keys that each query may see; in grad_kv, of the
// queries that may see each key.
@group(0) @binding(4) var<storage, read> window: array<vec2<u32>>;
// forward
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> row_stats: array<vec2<f32>>;
// grad_q, grad_kv
@group(0) @binding(5) var<storage, read> dout: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> grad: array<vec4<f32>>;
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

// A part of a row, which each invocation of a quad has another one of, as the whole row.
fn gather(x: mat4x4<f32>) -> Row {
  return row_of(
    mat4x4(quadBroadcast(x[0], 0u), quadBroadcast(x[1], 0u), quadBroadcast(x[2], 0u), quadBroadcast(x[3], 0u)),
    mat4x4(quadBroadcast(x[0], 1u), quadBroadcast(x[1], 1u), quadBroadcast(x[2], 1u), quadBroadcast(x[3], 1u)),
    mat4x4(quadBroadcast(x[0], 2u), quadBroadcast(x[1], 2u), quadBroadcast(x[2], 2u), quadBroadcast(x[3], 2u)),
    mat4x4(quadBroadcast(x[0], 3u), quadBroadcast(x[1], 3u), quadBroadcast(x[2], 3u), quadBroadcast(x[3], 3u)));
}

// The place of a workgroup: a head of a batch row, and 32 of its lines, of four of which
// each invocation takes care. All that decides its loops is the same in all of them, as
// subgroup operations require.
struct Block {
  head: u32,
  start: u32,
}

fn block_of(group: Group, lines: u32) -> Block {
  let blocks = (lines + 31u) / 32u;
  return Block(number_of(group) / blocks, number_of(group) % blocks * 32u);
}

// Where in its row the part lies that an invocation reads, in vectors.
fn own(member: u32) -> u32 {
  return 4u * min(member % 4u, PARTS - 1u);
}

// What the windows of 32 lines from `line` on cover, those beyond `end` left out.
fn cover_all(line: u32, end: u32, all: u32) -> vec2<u32> {
  if (params.windowed == 0u) {
    return vec2(0u, all);
  }
  var span = vec2(all, 0u);
  for (var i = line; i < min(line + 32u, end); i++) {
    let w = window[i];
    if (w.x < w.y) {
      span = vec2(min(span.x, w.x), max(span.y, w.y));
    }
  }
  return span;
}

fn keys_of_all(b: u32, start: u32) -> vec2<u32> {
  var span = cover_all(b * params.queries + start, (b + 1u) * params.queries, params.keys);
  if (params.causal + params.decode != 0u) {
    let last = min(start + 32u, params.queries) + select(0u, step.position, params.decode != 0u);
    span.y = min(span.y, last);
  }
  return vec2(span.x, min(span.y, params.keys));
}

fn queries_of_all(b: u32, start: u32) -> vec2<u32> {
  var span = cover_all(b * params.keys + start, (b + 1u) * params.keys, params.queries);
  if (params.causal != 0u) {
    span.x = max(span.x, start);
  }
  return vec2(span.x, min(span.y, params.queries));
}

// A workgroup's place, and the lines of an invocation.
struct Lines {
  b: u32,
  h: u32,
  head: u32,
  mine: u32,        // see own
  row: vec4<u32>,
  sees: Windows,    // keys that the queries see, or queries that see the keys
}

fn k_at(l: Lines, key: u32) -> Row {
  return gather(kv_part(k_index(l.b, l.h, min(key, params.keys - 1u)) + l.mine));
}

fn v_at(l: Lines, key: u32) -> Row {
  return gather(kv_part(v_index(l.b, l.h, min(key, params.keys - 1u)) + l.mine));
}

// The dropout factors of four queries' weights of a key.
fn kept(l: Lines, key: u32) -> vec4<f32> {
  return keep4((l.head * params.queries + l.row) * params.keys + key);
}

// The scores of four queries with a key, whose biases are near; of keys that they do not
// see, the lowest number.
fn scores(l: Lines, query: Rows, key: u32, near: vec4<f32>) -> vec4<f32> {
  return select(vec4(LOWEST), dots(query, k_at(l, key)) + near, inside(l.sees, key));
}

@compute @workgroup_size(8)
fn forward(group: Group, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) member: u32) {
  let block = block_of(group, params.queries);
  let head = block.head;
  if (head >= params.batch * params.heads) {
    return;
  }
  let b = head / params.heads;
  let h = head % params.heads;
  let first = block.start + 4u * lane;
  let row = four(first, params.queries);
  let place = position(row);
  let l = Lines(b, h, head, own(member), row, keys_of(b, row));
  let span = keys_of_all(b, block.start);

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
  for (var key = span.x; key < span.y; key += 4u) {
    near = vec4(bias_at(h, place.x, key), near.xyz);
    let score0 = scores(l, query, key, near);
    near = vec4(bias_at(h, place.x, key + 1u), near.xyz);
    let score1 = scores(l, query, key + 1u, near);
    near = vec4(bias_at(h, place.x, key + 2u), near.xyz);
    let score2 = scores(l, query, key + 2u, near);
    near = vec4(bias_at(h, place.x, key + 3u), near.xyz);
    let score3 = scores(l, query, key + 3u, near);
    // The sums so far are relative to the largest score so far.
    let highest = max(max(max(score0, score1), max(score2, score3)), peak);
    let keep_sum = exp(peak - highest);
    peak = highest;
    let weight0 = exp(score0 - highest);
    let weight1 = exp(score1 - highest);
    let weight2 = exp(score2 - highest);
    let weight3 = exp(score3 - highest);
    total = total * keep_sum + ((weight0 + weight1) + (weight2 + weight3));
    sum = blend_rows(keep_sum, sum, weight0 * kept(l, key), v_at(l, key));
    sum = add_rows(sum, weight1 * kept(l, key + 1u), v_at(l, key + 1u));
    sum = add_rows(sum, weight2 * kept(l, key + 2u), v_at(l, key + 2u));
    sum = add_rows(sum, weight3 * kept(l, key + 3u), v_at(l, key + 3u));
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
fn grad_q(group: Group, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) member: u32) {
  let block = block_of(group, params.queries);
  let head = block.head;
  if (head >= params.batch * params.heads) {
    return;
  }
  let b = head / params.heads;
  let h = head % params.heads;
  let first = block.start + 4u * lane;
  let row = four(first, params.queries);
  let place = position(row);
  let l = Lines(b, h, head, own(member), row, keys_of(b, row));
  let span = keys_of_all(b, block.start);
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
    let vector = k_at(l, key);
    let weight = select(vec4(0.0), exp(dots(query, vector) + near - stat.log_sum), inside(l.sees, key));
    let slope = kept(l, key) * dots(above, v_at(l, key));
    sum = add_rows(sum, weight * (slope - stat.delta), vector);
  }
  for (var r = first; r < min(first + 4u, params.queries); r++) {
    write_grad_row(q_index(b, h, r), sum.x);
    sum = push(sum, sum.x);
  }
}

// The gradients of four keys and their values.
struct KeyGrads {
  keys: Rows,
  values: Rows,
}

// What a query, whose biases are near, adds to them.
fn grad_kv_at(l: Lines, sum: KeyGrads, keys: Rows, values: Rows, i: u32, near: vec4<f32>) -> KeyGrads {
  let at = min(i, params.queries - 1u);
  let stat = stats[l.head * params.queries + at];
  let query = gather(q_part(q_index(l.b, l.h, at) + l.mine));
  let above = gather(dout_part(out_index(l.b, l.h, at) + l.mine));
  let weight = select(vec4(0.0), exp(dots(keys, query) + near - stat.x), inside(l.sees, i));
  let factor = keep4((l.head * params.queries + at) * params.keys + l.row);
  let slope = weight * (factor * dots(values, above) - stat.y);
  return KeyGrads(add_rows(sum.keys, slope, query), add_rows(sum.values, weight * factor, above));
}

@compute @workgroup_size(8)
fn grad_kv(group: Group, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) member: u32) {
  let block = block_of(group, params.keys);
  let head = block.head;
  if (head >= params.batch * params.heads) {
    return;
  }
  let b = head / params.heads;
  let h = head % params.heads;
  let first = block.start + 4u * lane;
  let row = four(first, params.keys);

  var keys = Rows();
  var values = Rows();
  for (var r = first; r < first + 4u; r++) {
    keys = push(keys, kv_row(k_index(b, h, min(r, row.w))));
    values = push(values, kv_row(v_index(b, h, min(r, row.w))));
  }
  let l = Lines(b, h, head, own(member), row, queries_of(b, row));
  let span = queries_of_all(b, block.start);
  var near = vec4(bias_at(h, span.x, row.y), bias_at(h, span.x, row.z), bias_at(h, span.x, row.w), 0.0);
  var sum = KeyGrads();
  for (var i = span.x; i < span.y; i += 2u) {
    near = vec4(bias_at(h, i, first), near.xyz);
    sum = grad_kv_at(l, sum, keys, values, i, near);
    near = vec4(bias_at(h, i + 1u, first), near.xyz);
    sum = grad_kv_at(l, sum, keys, values, i + 1u, near);
  }
  var key_sum = sum.keys;
  var value_sum = sum.values;
  for (var r = first; r < min(first + 4u, params.keys); r++) {
    write_grad_row(k_index(b, h, r), key_sum.x);
    write_grad_row(v_index(b, h, r), value_sum.x);
    key_sum = push(key_sum, key_sum.x);
    value_sum = push(value_sum, value_sum.x);
  }
}
