// The gradients of attention's keys and values.

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

// shared: attention
// T5 attention, which has no 1/√d. For each head, query i and key j:
//
//   s_ij = q_i·k_j + bias[j - i]        over the keys j in query i's window
//   p_ij = exp(s_ij) / Σ_j exp(s_ij)
//   out_i = Σ_j keep_ij·p_ij·v_j        keep: dropout's factor
//
// forward keeps of each row its log-sum-exp L_i, from which the backward pass
// has p_ij = exp(s_ij - L_i) again; nothing of size queries×keys is stored.
// With dp_ij = keep_ij·(dout_i·v_j) and Δ_i = Σ_j p_ij·dp_ij = dout_i·out_i:
//
//   ds_ij = p_ij·(dp_ij - Δ_i)
//   dq_i = Σ_j ds_ij·k_j,  dk_j = Σ_i ds_ij·q_i,  dv_j = Σ_i keep_ij·p_ij·dout_i
//   dbias[d] = Σ over all i, j with j - i = d of ds_ij
//
// A window is a run of keys, so that a row can hold several passages; that of
// padding is empty, its output and gradients 0.

override HEAD_DIM: u32 = 64;    // up to 256
override ALIGNED: bool = true;  // four numbers of a head's row are one load

const FOURS: u32 = (HEAD_DIM + 3u) / 4u;   // of a head's row
const LOWEST: f32 = -3.0e38;

@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> kv: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
// The first and the end of the keys that each query may see; in grad_kv, of the
// queries that may see each key.
@group(0) @binding(4) var<storage, read> window: array<vec2<u32>>;

// The operands whose rows are read. Each kernel has four_at(operand, i), the numbers
// from 4i on in its buffer, of those that it reads.
const Q: u32 = 0u;
const K: u32 = 1u;
const V: u32 = 2u;
const DOUT: u32 = 3u;

// Four numbers of a row of an operand, from number i of the head on, zero beyond
// its end. `at` is where the head begins. ALIGNED alone.
fn four_of(operand: u32, at: u32, i: u32) -> vec4<f32> {
  if (HEAD_DIM % 16u != 0u && i >= HEAD_DIM) {
    return vec4(0.0);
  }
  return four_at(operand, (at + i) / 4u);
}

// One number of it. Heads that are no whole fours are staged one by one: written out
// in fours that would be so much text that some drivers take minutes for it.
fn one_of(operand: u32, at: u32, i: u32) -> f32 {
  let n = at + i;
  return select(0.0, four_at(operand, n / 4u)[n % 4u], i < HEAD_DIM);
}

// Where a head begins in four rows of an operand. In the place of a row that is not
// there stands the last one, whose weights are zero.
fn starts(operand: u32, b: u32, h: u32, row: u32) -> vec4<u32> {
  let line = vec4(row) + vec4(0u, 1u, 2u, 3u);
  let query = b * params.queries + min(line, vec4(params.queries - 1u));
  let key = b * params.keys + min(line, vec4(params.keys - 1u));
  switch (operand) {
    case Q: { return query * params.q_stride + params.q_offset + h * HEAD_DIM; }
    case K: { return key * params.kv_stride + params.k_offset + h * HEAD_DIM; }
    case V: { return key * params.kv_stride + params.v_offset + h * HEAD_DIM; }
    default: { return (query * params.heads + h) * HEAD_DIM; }
  }
}

// Where query row stands among the keys.
fn position(row: u32) -> u32 {
  return select(row, row + step.position, params.decode != 0u);
}

// The first and the end of the keys that query row of batch row b sees: none
// beyond the last query.
fn keys_of(b: u32, row: u32) -> vec2<u32> {
  if (row >= params.queries) {
    return vec2(0u);
  }
  var w = vec2(0u, params.keys);
  if (params.windowed != 0u) {
    w = window[b * params.queries + row];
  }
  if (params.causal + params.decode != 0u) {
    w.y = min(w.y, position(row) + 1u);
  }
  return vec2(w.x, min(w.y, params.keys));
}
// end shared

// shared: attention_backward
// What the forward pass left, and the gradient of its output.
@group(0) @binding(5) var<storage, read> dout: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> stats: array<f32>;  // pairs

alias Staged = f32;

fn four_at(operand: u32, i: u32) -> vec4<f32> {
  switch (operand) {
    case Q: { return q[i]; }
    case DOUT: { return dout[i]; }
    default: { return kv[i]; }
  }
}

// The log-sum-exp of four queries, and their Δ: read apart, lest compilers hold both
// from the first to the second.
fn log_sums(head: u32, query: u32) -> vec4<f32> {
  let at = stats_at(head, query);
  return vec4(stats[at.x], stats[at.y], stats[at.z], stats[at.w]);
}

fn deltas(head: u32, query: u32) -> vec4<f32> {
  let at = stats_at(head, query) + 1u;
  return vec4(stats[at.x], stats[at.y], stats[at.z], stats[at.w]);
}

fn stats_at(head: u32, query: u32) -> vec4<u32> {
  return 2u * (head * params.queries + min(vec4(query) + vec4(0u, 1u, 2u, 3u), vec4(params.queries - 1u)));
}
// end shared

@group(0) @binding(7) var<storage, read_write> result: array<f32>;

// shared: attention_rows
// A workgroup takes 64 rows, and stages sixteen numbers each of all rows at a time.
const ROWS: u32 = 64u;
const STEP: u32 = min(4u, FOURS);  // fours of a head staged for a product of rows with columns

// Whether each stretch of a product is in a branch, without which Intel's compiler has
// too few registers: see matmul_light.wgsl.
override GUARDED: bool = false;

// What is staged. Of a product of rows with columns, a line for each of sixteen
// numbers: four neighbors of the 64 rows a vector, and in the lines after those of the
// columns. Or 64 numbers of 32 columns, a line for each column. A line's number is a
// constant or the same for all threads wherever it is read, which leaves one place to
// check against the bounds.
var<workgroup> stage: array<array<vec4<Staged>, 16>, 32>;

// A block of 4×4 numbers, whose column r is of row r.
fn block_of(operand: u32, at: vec4<u32>, i: u32) -> mat4x4<f32> {
  return mat4x4(four_of(operand, at.x, i), four_of(operand, at.y, i), four_of(operand, at.z, i), four_of(operand, at.w, i));
}

// What the windows of a workgroup's rows cover, and what all of them see: the first
// and the end of both. Numbers of rows are exact as floats. The tile is free for it.
fn span_of(mine: vec2<u32>, lane: u32) -> vec4<u32> {
  let w = vec2<f32>(mine);
  workgroupBarrier();
  if (lane < ROWS) {
    tile[lane / 16u][lane % 16u] = vec4(select(vec2(LOWEST, 0.0), vec2(-w.x, w.y), mine.x < mine.y), w.x, -w.y);
  }
  for (var half = ROWS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      let at = lane + half;
      tile[lane / 16u][lane % 16u] = max(tile[lane / 16u][lane % 16u], tile[at / 16u][at % 16u]);
    }
  }
  let most = workgroupUniformLoad(&tile[0][0]);
  return vec4<u32>(abs(most));
}

// The windows of a thread's four rows.
struct Windows {
  first: vec4<u32>,
  end: vec4<u32>,
}

fn keys_of_four(b: u32, row: u32) -> Windows {
  let x = keys_of(b, row);
  let y = keys_of(b, row + 1u);
  let z = keys_of(b, row + 2u);
  let w = keys_of(b, row + 3u);
  return Windows(vec4(x.x, y.x, z.x, w.x), vec4(x.y, y.y, z.y, w.y));
}
// end shared

// shared: attention_tile
// A workgroup holds a tile of the scores, 64 rows by 4X columns: forward and grad_q
// have queries as rows and walk along the keys, grad_kv has keys as rows and walks
// along the queries; tiles that lie in no window are left out. Of its 16·X threads one
// has the rows from 4y and the columns from 4x of a tile, as a mat4x4 whose column r is
// row r, and of 64 sums at a time those rows and the numbers from 4x on (from 4x + 32,
// too, where X is 8). Operands lie in workgroup memory so that four neighbors are one
// load, and each is used four times: such loads bound a GPU. What a thread holds has a
// name or a constant index and so stays in registers; loops that would index it are
// written out. Blocks of 4×4 are stored with their place xor'ed by a part of their row,
// which keeps neighboring threads on different banks.

override X: u32 = 16;  // threads side by side: 16, or 8 where workgroup memory is scarce

// The numbers of a head that a workgroup sums up, and how many workgroups share so the
// head of a block of rows: more would not fit the registers.
override SPAN: u32 = 128u;
const PARTS: u32 = (HEAD_DIM + SPAN - 1u) / SPAN;

const COLS: u32 = 4u * X;
const THREADS: u32 = 16u * X;
const PANELS: u32 = (min(HEAD_DIM, SPAN) + 63u) / 64u;
const PANEL: u32 = min(16u, min(FOURS, SPAN / 4u));  // fours summed at a time

// The tile's weights, a line for each column: four rows a vector.
var<workgroup> tile: array<array<vec4<f32>, 16>, COLS>;

// m with LOWEST in the place of what the rows do not see, from column col on.
fn seen(m: mat4x4<f32>, w: Windows, col: u32) -> mat4x4<f32> {
  let at = vec4(col) + vec4(0u, 1u, 2u, 3u);
  let lowest = vec4(LOWEST);
  return mat4x4(
    select(lowest, m[0], (at >= vec4(w.first.x)) & (at < vec4(w.end.x))),
    select(lowest, m[1], (at >= vec4(w.first.y)) & (at < vec4(w.end.y))),
    select(lowest, m[2], (at >= vec4(w.first.z)) & (at < vec4(w.end.z))),
    select(lowest, m[3], (at >= vec4(w.first.w)) & (at < vec4(w.end.w))));
}

// The biases from three keys before a key to three after it, as a query sees them:
// those of a block of 4×4 scores lie on seven diagonals.
struct Near {
  before: vec4<f32>,  // the last of them is the key's own
  after: vec3<f32>,
}

fn near(h: u32, query: u32, key: u32) -> Near {
  if (params.bias_span == 0u) {
    return Near();
  }
  let width = 2u * params.bias_span - 1u;
  let at = params.bias_span - 1u + key - position(query);
  // Beyond the ends lie only scores that nobody sees.
  let i = min(vec4(at) - vec4(3u, 2u, 1u, 0u), vec4(width - 1u)) + h * width;
  let j = min(vec3(at) + vec3(1u, 2u, 3u), vec3(width - 1u)) + h * width;
  return Near(vec4(bias[i.x], bias[i.y], bias[i.z], bias[i.w]), vec3(bias[j.x], bias[j.y], bias[j.z]));
}

// The biases of a block of scores: the rows are queries, and the columns keys.
fn by_query(n: Near) -> mat4x4<f32> {
  return mat4x4(
    vec4(n.before.w, n.after),
    vec4(n.before.zw, n.after.xy),
    vec4(n.before.yzw, n.after.x),
    n.before);
}

// m + the outer product of four rows and four columns.
fn onto(m: mat4x4<f32>, rows: vec4<f32>, cols: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(
    fma(vec4(rows.x), cols, m[0]), fma(vec4(rows.y), cols, m[1]),
    fma(vec4(rows.z), cols, m[2]), fma(vec4(rows.w), cols, m[3]));
}

// m + four products of the staged rows with the columns, from number k on. The lines
// of the rows begin at line rows, 0 or 16, and those of the columns at the other.
fn step_products(m: mat4x4<f32>, k: u32, rows: u32, x: u32, y: u32) -> mat4x4<f32> {
  let r = y ^ (k / 2u);
  let c = x ^ (k / 2u);
  let i = rows + k;
  let j = (rows ^ 16u) + k;
  return onto(onto(onto(onto(m,
    vec4<f32>(stage[i][r]), vec4<f32>(stage[j][c])),
    vec4<f32>(stage[i + 1u][r]), vec4<f32>(stage[j + 1u][c])),
    vec4<f32>(stage[i + 2u][r]), vec4<f32>(stage[j + 2u][c])),
    vec4<f32>(stage[i + 3u][r]), vec4<f32>(stage[j + 3u][c]));
}

// The share of a thread in staging sixteen numbers each of the tile's rows and
// columns: a block of four numbers of four lines. Some threads have none.
struct Share {
  line: u32,     // the first of its rows or columns
  k: u32,        // the first of its numbers
  to: u32,       // the line of that, and the place in each line
  place: u32,
  is_row: bool,
  none: bool,
}

fn share_of(row: u32, col: u32, rows: u32, lane: u32) -> Share {
  let k = lane % STEP * 4u;
  let r = lane / STEP;
  if (r < 16u) {
    return Share(row + 4u * r, k, rows + k, r ^ (k / 2u), true, false);
  }
  return Share(col + 4u * (r - 16u), k, (rows ^ 16u) + k, (r - 16u) ^ (k / 2u), false, r >= 16u + X);
}

fn stage_block(s: Share, block: mat4x4<f32>) {
  let part = transpose(block);
  stage[s.to][s.place] = vec4<Staged>(part[0]);
  stage[s.to + 1u][s.place] = vec4<Staged>(part[1]);
  stage[s.to + 2u][s.place] = vec4<Staged>(part[2]);
  stage[s.to + 3u][s.place] = vec4<Staged>(part[3]);
}

// m + the products of the staged rows and columns.
fn multiply(m: mat4x4<f32>, rows: u32, x: u32, y: u32) -> mat4x4<f32> {
  var sum = step_products(m, 0u, rows, x, y);
  if (STEP > 1u) {
    sum = step_products(sum, 4u, rows, x, y);
  }
  if (STEP > 2u) {
    sum = step_products(sum, 8u, rows, x, y);
  }
  if (STEP > 3u) {
    sum = step_products(sum, 12u, rows, x, y);
  }
  return sum;
}

// A number that is staged by itself, of those of a tile: number k of a line, which is
// one of the rows or after them of the columns.
struct One {
  line: u32,
  k: u32,
  is_row: bool,
}

fn staged_one(e: u32, row: u32, col: u32) -> One {
  let line = e / (4u * STEP);
  return One(select(col + line - ROWS, row + line, line < ROWS), e % (4u * STEP), line < ROWS);
}

fn stage_one(e: u32, rows: u32, v: f32) {
  let line = e / (4u * STEP);
  let k = e % (4u * STEP);
  let r = select(line - ROWS, line, line < ROWS);
  stage[select(rows ^ 16u, rows, line < ROWS) + k][(r / 4u) ^ (2u * (k / 4u))][r % 4u] = Staged(v);
}

const ONES: u32 = (ROWS + COLS) * 4u * STEP;

// The products of an operand's rows with another's as columns over the tile: q·k or
// dout·v. The rows of one lie where the columns of the other did, so that compilers do
// not keep the places of all from one to the other.
fn products(of_rows: u32, of_cols: u32, b: u32, h: u32, row: u32, col: u32, lane: u32) -> mat4x4<f32> {
  let rows = select(0u, 16u, of_rows == DOUT || of_rows == V);
  let s = share_of(row, col, rows, lane);
  var at: vec4<u32>;
  if (s.is_row) {
    at = starts(of_rows, b, h, s.line);
  } else {
    at = starts(of_cols, b, h, s.line);
  }
  var m = mat4x4<f32>();
  for (var i = 0u; i < HEAD_DIM; i += 4u * STEP) {
    workgroupBarrier();
    if (!ALIGNED) {
      for (var e = lane; e < ONES; e += THREADS) {
        let one = staged_one(e, row, col);
        if (one.is_row) {
          stage_one(e, rows, one_of(of_rows, starts(of_rows, b, h, one.line).x, i + one.k));
        } else {
          stage_one(e, rows, one_of(of_cols, starts(of_cols, b, h, one.line).x, i + one.k));
        }
      }
    } else if (!s.none) {
      var block: mat4x4<f32>;
      if (s.is_row) {
        block = block_of(of_rows, at, i + s.k);
      } else {
        block = block_of(of_cols, at, i + s.k);
      }
      stage_block(s, block);
    }
    workgroupBarrier();
    if (!GUARDED || params.queries > 0u) { // always
      m = multiply(m, rows, lane % X, lane / X);
    }
  }
  return m;
}

// Stores a block of weights, a vector for each column.
fn put(m: mat4x4<f32>, x: u32, y: u32) {
  let by_column = transpose(m);
  tile[4u * x][y ^ x] = by_column[0];
  tile[4u * x + 1u][y ^ x] = by_column[1];
  tile[4u * x + 2u][y ^ x] = by_column[2];
  tile[4u * x + 3u][y ^ x] = by_column[3];
}

// A thread's own block of what is stored.
fn take(x: u32, y: u32) -> mat4x4<f32> {
  return transpose(mat4x4(tile[4u * x][y ^ x], tile[4u * x + 1u][y ^ x], tile[4u * x + 2u][y ^ x], tile[4u * x + 3u][y ^ x]));
}

// A thread's sums of up to 64 numbers of the head: four of them for its four rows, and
// where X is 8 the four from 32 on.
struct Sums {
  a: mat4x4<f32>,
  b: mat4x4<f32>,
}

// s + the weights of a column times its staged numbers.
fn add_column(s: Sums, c: u32, x: u32, y: u32) -> Sums {
  let w = tile[c][y];
  var sum = Sums(onto(s.a, w, vec4<f32>(stage[c % 32u][x])), s.b);
  if (X == 8u && PANEL > 8u) {
    sum.b = onto(s.b, w, vec4<f32>(stage[c % 32u][x + 8u]));
  }
  return sum;
}

// Four columns from column c, a multiple of four.
fn add_four(s: Sums, c: u32, x: u32, y: u32) -> Sums {
  let at = y ^ (c / 4u);
  return add_column(add_column(add_column(add_column(s, c, x, at), c + 1u, x, at), c + 2u, x, at), c + 3u, x, at);
}

// s + the tile times the staged panel of 32 columns, of which the tile has count.
fn add_staged(s: Sums, first: u32, count: u32, lane: u32) -> Sums {
  let x = lane % X;
  let y = lane / X;
  var sum = s;
  for (var c = first; c < min(first + 32u, count); c += 8u) {
    sum = add_four(add_four(sum, c, x, y), c + 4u, x, y);
  }
  return sum;
}

// s + the first columns of the tile, count of them, times 64 numbers, from number i, of
// the rows of an operand from col on.
fn add_panel(s: Sums, operand: u32, b: u32, h: u32, col: u32, count: u32, i: u32, lane: u32) -> Sums {
  var sum = s;
  for (var first = 0u; first < min(COLS, count); first += 32u) {
    workgroupBarrier();
    if (ALIGNED) {
      for (var e = lane; e < 32u * PANEL; e += THREADS) {
        let at = starts(operand, b, h, col + first + e / PANEL).x;
        stage[e / PANEL][e % PANEL] = vec4<Staged>(four_of(operand, at, i + 4u * (e % PANEL)));
      }
    } else {
      for (var e = lane; e < 128u * PANEL; e += THREADS) {
        let k = e % (4u * PANEL);
        let at = starts(operand, b, h, col + first + e / (4u * PANEL)).x;
        stage[e / (4u * PANEL)][k / 4u][k % 4u] = Staged(one_of(operand, at, i + k));
      }
    }
    workgroupBarrier();
    sum = add_staged(sum, first, count, lane);
  }
  return sum;
}

fn exp4(m: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(exp(m[0]), exp(m[1]), exp(m[2]), exp(m[3]));
}

fn times(m: mat4x4<f32>, f: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4(m[0] * f[0], m[1] * f[1], m[2] * f[2], m[3] * f[3]);
}

// Row r of a matrix whose columns are v.
fn rows_of(v: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(vec4(v.x), vec4(v.y), vec4(v.z), vec4(v.w));
}

// Which of a block of weights, whose rows are queries, dropout keeps: bit 4r + c is that
// of column c of row r.
fn kept_block(head: u32, query: u32, key: u32) -> u32 {
  if (params.threshold == 0u) {
    return 0u;
  }
  let at = (head * params.queries + query) * params.keys + key + vec4(0u, 1u, 2u, 3u);
  return kept4(at) | (kept4(at + params.keys) << 4u) | (kept4(at + 2u * params.keys) << 8u) | (kept4(at + 3u * params.keys) << 12u);
}

fn kept4(element: vec4<u32>) -> u32 {
  let bits = select(vec4(1u, 2u, 4u, 8u), vec4(0u), drops4(element));
  return bits.x | bits.y | bits.z | bits.w;
}

// m times the dropout factors.
fn dropped(m: mat4x4<f32>, kept: u32) -> mat4x4<f32> {
  if (params.threshold == 0u) {
    return m;
  }
  return mat4x4(
    dropped4(m[0], kept), dropped4(m[1], kept >> 4u), dropped4(m[2], kept >> 8u), dropped4(m[3], kept >> 12u));
}

fn dropped4(v: vec4<f32>, kept: u32) -> vec4<f32> {
  return select(vec4(0.0), params.keep_scale * v, (vec4(kept) & vec4(1u, 2u, 4u, 8u)) != vec4(0u));
}

// Four rows that are written, of which those outside are not.
struct Places {
  at: vec4<u32>,  // where the head begins
  inside: vec4<bool>,
}

fn places(operand: u32, b: u32, h: u32, row: u32) -> Places {
  let rows = select(params.queries, params.keys, operand == K || operand == V);
  return Places(starts(operand, b, h, row), vec4(row) + vec4(0u, 1u, 2u, 3u) < vec4(rows));
}

fn write_four(at: u32, inside: bool, i: u32, v: vec4<f32>) {
  if (inside && i < HEAD_DIM) { result[at + i] = v.x; }
  if (inside && i + 1u < HEAD_DIM) { result[at + i + 1u] = v.y; }
  if (inside && i + 2u < HEAD_DIM) { result[at + i + 2u] = v.z; }
  if (inside && i + 3u < HEAD_DIM) { result[at + i + 3u] = v.w; }
}

fn write_rows(p: Places, i: u32, m: mat4x4<f32>) {
  write_four(p.at.x, p.inside.x, i, m[0]);
  write_four(p.at.y, p.inside.y, i, m[1]);
  write_four(p.at.z, p.inside.z, i, m[2]);
  write_four(p.at.w, p.inside.w, i, m[3]);
}

fn write_sums(p: Places, i: u32, s: Sums) {
  write_rows(p, i, s.a);
  if (X == 8u && PANEL > 8u) {
    write_rows(p, i + 32u, s.b);
  }
}
// end shared

// The first and the end of the queries that see key row of batch row b: none
// beyond the last key.
fn queries_of(b: u32, row: u32) -> vec2<u32> {
  if (row >= params.keys) {
    return vec2(0u);
  }
  var w = vec2(0u, params.queries);
  if (params.windowed != 0u) {
    w = window[b * params.keys + row];
  }
  if (params.causal != 0u) {
    w.x = max(w.x, row);
  }
  return vec2(w.x, min(w.y, params.queries));
}

fn queries_of_four(b: u32, row: u32) -> Windows {
  let x = queries_of(b, row);
  let y = queries_of(b, row + 1u);
  let z = queries_of(b, row + 2u);
  let w = queries_of(b, row + 3u);
  return Windows(vec4(x.x, y.x, z.x, w.x), vec4(x.y, y.y, z.y, w.y));
}

fn columns_of(v: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(v, v, v, v);
}

@compute @workgroup_size(THREADS)
fn grad_kv(group: Group, @builtin(local_invocation_index) lane: u32) {
  let blocks = (params.keys + ROWS - 1u) / ROWS;
  let unit = number_of(group);
  if (unit >= params.batch * params.heads * blocks * PARTS) {
    return;
  }
  let part = unit % PARTS * SPAN;  // the first of its numbers
  let head = unit / PARTS / blocks;
  let b = head / params.heads;
  let h = head % params.heads;
  let first = unit / PARTS % blocks * ROWS;
  let x = lane % X;
  let y = lane / X;
  let row = first + 4u * y;

  var key0 = Sums();
  var key1 = Sums();
  var value0 = Sums();
  var value1 = Sums();
  let cover = span_of(queries_of(b, first + lane), lane);
  for (var query = cover.x; query < cover.y; query += COLS) {
    let col = query + 4u * x;
    var m = products(K, Q, b, h, first, query, lane) + transpose(by_query(near(h, col, row)));
    if (query < cover.z || query + COLS > cover.w) {
      m = seen(m, queries_of_four(b, row), col);
    }
    m = exp4(m - columns_of(log_sums(head, col)));
    let kept = kept_block(head, col, row);
    put(transpose(dropped(transpose(m), kept)), x, y);
    value0 = add_panel(value0, DOUT, b, h, query, cover.y - query, part, lane);
    if (PANELS > 1u) {
      value1 = add_panel(value1, DOUT, b, h, query, cover.y - query, part + 64u, lane);
    }
    workgroupBarrier();
    put(m, x, y);  // out of the registers for a while
    let slope = transpose(dropped(transpose(products(V, DOUT, b, h, first, query, lane)), kept));
    put(times(take(x, y), slope - columns_of(deltas(head, col))), x, y);
    key0 = add_panel(key0, Q, b, h, query, cover.y - query, part, lane);
    if (PANELS > 1u) {
      key1 = add_panel(key1, Q, b, h, query, cover.y - query, part + 64u, lane);
    }
  }
  let i = part + 4u * x;
  let k_to = places(K, b, h, row);
  let v_to = places(V, b, h, row);
  write_sums(k_to, i, key0);
  write_sums(v_to, i, value0);
  if (PANELS > 1u) {
    write_sums(k_to, i + 64u, key1);
    write_sums(v_to, i + 64u, value1);
  }
}
