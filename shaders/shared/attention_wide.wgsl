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
