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
// padding is empty, its output and gradients 0. Tiles that lie in no window are
// left out.
//
// A workgroup holds a tile of the scores, 64 rows by 4X columns: forward and grad_q
// have queries as rows and walk along the keys, grad_kv has keys as rows and walks
// along the queries. Of its 16·X threads one has the rows from 4y and the columns
// from 4x of a tile, as a mat4x4 whose column r is row r, and of 64 sums at a time
// those rows and the numbers from 4x on (from 4x + 32, too, where X is 8). Operands
// lie in workgroup memory so that four neighbors are one load, and each is used four
// times: such loads bound a GPU. What a thread holds has a name or a constant index
// and so stays in registers; loops that would index it are written out. Blocks of
// 4×4 are stored with their place xor'ed by a part of their row, which keeps
// neighboring threads on different banks.
//
// Head sizes up to 256. Software adapters run attention_wide.wgsl where it can
// serve.

override HEAD_DIM: u32 = 64;
override ALIGNED: bool = true;  // four numbers of a head's row are one load
override X: u32 = 16;           // threads side by side: 16, or 8 where workgroup memory is scarce

const ROWS: u32 = 64;
const COLS: u32 = 4u * X;
const THREADS: u32 = 16u * X;
const FOURS: u32 = (HEAD_DIM + 3u) / 4u;   // of a head's row
const STEP: u32 = min(4u, FOURS);          // of them staged for a product of rows with columns
const PANELS: u32 = (HEAD_DIM + 63u) / 64u;
const PANEL: u32 = min(16u, FOURS);  // of them summed at a time
const LOWEST: f32 = -3.0e38;

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
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read_write> row_stats: array<vec2<f32>>;
// grad_q, grad_kv, grad_bias
@group(0) @binding(5) var<storage, read> dout: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> grad: array<f32>;
// delta
@group(0) @binding(1) var<storage, read> delta_dout: array<f32>;
@group(0) @binding(2) var<storage, read> delta_out: array<f32>;
@group(0) @binding(3) var<storage, read_write> delta_stats: array<vec2<f32>>;

// What is staged. Of a product of rows with columns, a line for each of sixteen
// numbers: four neighbors of the 64 rows a vector, and in the lines after those of the
// columns. Or 64 numbers of 32 columns, a line for each column. A line's number is a
// constant or the same for all threads wherever it is read, which leaves one place to
// check against the bounds.
var<workgroup> stage: array<array<vec4<f32>, 16>, 32>;
// The tile's weights, a line for each column: four rows a vector.
var<workgroup> tile: array<array<vec4<f32>, 16>, COLS>;

// shared: dropout4
// The dropout factors of four elements: what `keep` of dropout.wgsl is for one.
fn mix4(v: vec4<u32>) -> vec4<u32> {
  var h = v;
  h = (h ^ (h >> vec4(16u))) * 0x7feb352du;
  h = (h ^ (h >> vec4(15u))) * 0x846ca68bu;
  return h ^ (h >> vec4(16u));
}

fn keep4(element: vec4<u32>) -> vec4<f32> {
  let h = mix4(mix4(element + step.key.x) ^ vec4(step.key.y + params.site * 0x9e3779b9u));
  return select(vec4(params.keep_scale), vec4(0.0), h < vec4(params.threshold));
}
// end shared

fn out_index(b: u32, h: u32, row: u32) -> u32 {
  return ((b * params.queries + row) * params.heads + h) * HEAD_DIM;
}

// Four numbers of a row of an operand, from number i of the head on, zero beyond
// its end. `at` is where the head begins. ALIGNED alone.

fn q_four(at: u32, i: u32) -> vec4<f32> {
  if (HEAD_DIM % 16u != 0u && i >= HEAD_DIM) {
    return vec4(0.0);
  }
  return q[(at + i) / 4u];
}

fn kv_four(at: u32, i: u32) -> vec4<f32> {
  if (HEAD_DIM % 16u != 0u && i >= HEAD_DIM) {
    return vec4(0.0);
  }
  return kv[(at + i) / 4u];
}

fn dout_four(at: u32, i: u32) -> vec4<f32> {
  if (HEAD_DIM % 16u != 0u && i >= HEAD_DIM) {
    return vec4(0.0);
  }
  return dout[(at + i) / 4u];
}

// One number of it. Heads that are no whole fours are staged one by one: written out
// in fours that would be so much text that some drivers take minutes for it.

fn q_one(at: u32, i: u32) -> f32 {
  let n = at + i;
  return select(0.0, q[n / 4u][n % 4u], i < HEAD_DIM);
}

fn kv_one(at: u32, i: u32) -> f32 {
  let n = at + i;
  return select(0.0, kv[n / 4u][n % 4u], i < HEAD_DIM);
}

fn dout_one(at: u32, i: u32) -> f32 {
  let n = at + i;
  return select(0.0, dout[n / 4u][n % 4u], i < HEAD_DIM);
}

// A block of 4×4 numbers, whose column r is of row r.

fn q_block(at: vec4<u32>, i: u32) -> mat4x4<f32> {
  return mat4x4(q_four(at.x, i), q_four(at.y, i), q_four(at.z, i), q_four(at.w, i));
}

fn kv_block(at: vec4<u32>, i: u32) -> mat4x4<f32> {
  return mat4x4(kv_four(at.x, i), kv_four(at.y, i), kv_four(at.z, i), kv_four(at.w, i));
}

fn dout_block(at: vec4<u32>, i: u32) -> mat4x4<f32> {
  return mat4x4(dout_four(at.x, i), dout_four(at.y, i), dout_four(at.z, i), dout_four(at.w, i));
}

// Where a head begins in four rows of an operand, by its letter. In the place of a row
// that is not there stands the last one, whose weights are zero.
const Q: u32 = 0u;
const K: u32 = 1u;
const V: u32 = 2u;
const DOUT: u32 = 3u;

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

fn four_of(operand: u32, at: u32, i: u32) -> vec4<f32> {
  if (operand == Q) {
    return q_four(at, i);
  }
  return kv_four(at, i);
}

fn number_in(operand: u32, at: u32, i: u32) -> f32 {
  if (operand == Q) {
    return q_one(at, i);
  }
  return kv_one(at, i);
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

// What the windows of a workgroup's rows cover, and what all of them see: the first
// and the end of both. Numbers of rows are exact as floats.
fn span_of(mine: vec2<u32>, lane: u32) -> vec4<u32> {
  let w = vec2<f32>(mine);
  workgroupBarrier();
  if (lane < ROWS) {
    stage[lane / 16u][lane % 16u] = vec4(select(vec2(LOWEST, 0.0), vec2(-w.x, w.y), mine.x < mine.y), w.x, -w.y);
  }
  for (var half = ROWS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      let at = lane + half;
      stage[lane / 16u][lane % 16u] = max(stage[lane / 16u][lane % 16u], stage[at / 16u][at % 16u]);
    }
  }
  let most = workgroupUniformLoad(&stage[0][0]);
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

fn queries_of_four(b: u32, row: u32) -> Windows {
  let x = queries_of(b, row);
  let y = queries_of(b, row + 1u);
  let z = queries_of(b, row + 2u);
  let w = queries_of(b, row + 3u);
  return Windows(vec4(x.x, y.x, z.x, w.x), vec4(x.y, y.y, z.y, w.y));
}

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

// m + four products of the staged rows with the columns, from number k on.
fn step_products(m: mat4x4<f32>, k: u32, x: u32, y: u32) -> mat4x4<f32> {
  let r = y ^ (k / 2u);
  let c = x ^ (k / 2u);
  return onto(onto(onto(onto(m,
    stage[k][r], stage[16u + k][c]), stage[k + 1u][r], stage[17u + k][c]),
    stage[k + 2u][r], stage[18u + k][c]), stage[k + 3u][r], stage[19u + k][c]);
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

fn share_of(row: u32, col: u32, lane: u32) -> Share {
  let k = lane % STEP * 4u;
  let r = lane / STEP;
  if (r < 16u) {
    return Share(row + 4u * r, k, k, r ^ (k / 2u), true, false);
  }
  return Share(col + 4u * (r - 16u), k, 16u + k, (r - 16u) ^ (k / 2u), false, r >= 16u + X);
}

fn stage_block(s: Share, block: mat4x4<f32>) {
  let part = transpose(block);
  stage[s.to][s.place] = part[0];
  stage[s.to + 1u][s.place] = part[1];
  stage[s.to + 2u][s.place] = part[2];
  stage[s.to + 3u][s.place] = part[3];
}

// m + the products of the staged rows and columns.
fn multiply(m: mat4x4<f32>, x: u32, y: u32) -> mat4x4<f32> {
  var sum = step_products(m, 0u, x, y);
  if (STEP > 1u) {
    sum = step_products(sum, 4u, x, y);
  }
  if (STEP > 2u) {
    sum = step_products(sum, 8u, x, y);
  }
  if (STEP > 3u) {
    sum = step_products(sum, 12u, x, y);
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

fn one_of(e: u32, row: u32, col: u32) -> One {
  let line = e / (4u * STEP);
  return One(select(col + line - ROWS, row + line, line < ROWS), e % (4u * STEP), line < ROWS);
}

fn stage_one(e: u32, v: f32) {
  let line = e / (4u * STEP);
  let k = e % (4u * STEP);
  let r = select(line - ROWS, line, line < ROWS);
  stage[select(16u, 0u, line < ROWS) + k][(r / 4u) ^ (2u * (k / 4u))][r % 4u] = v;
}

const ONES: u32 = (ROWS + COLS) * 4u * STEP;

// q·k over the tile; by_key has keys as rows.
fn qk(b: u32, h: u32, row: u32, col: u32, by_key: bool, lane: u32) -> mat4x4<f32> {
  let s = share_of(row, col, lane);
  let of_key = s.is_row == by_key;
  let at = select(starts(Q, b, h, s.line), starts(K, b, h, s.line), of_key);
  var m = mat4x4<f32>();
  for (var i = 0u; i < HEAD_DIM; i += 4u * STEP) {
    workgroupBarrier();
    if (!ALIGNED) {
      for (var e = lane; e < ONES; e += THREADS) {
        let one = one_of(e, row, col);
        if (one.is_row == by_key) {
          stage_one(e, kv_one(starts(K, b, h, one.line).x, i + one.k));
        } else {
          stage_one(e, q_one(starts(Q, b, h, one.line).x, i + one.k));
        }
      }
    } else if (!s.none) {
      var block: mat4x4<f32>;
      if (of_key) {
        block = kv_block(at, i + s.k);
      } else {
        block = q_block(at, i + s.k);
      }
      stage_block(s, block);
    }
    workgroupBarrier();
    m = multiply(m, lane % X, lane / X);
  }
  return m;
}

// dout·v over the tile; by_key has keys as rows.
fn dv(b: u32, h: u32, row: u32, col: u32, by_key: bool, lane: u32) -> mat4x4<f32> {
  let s = share_of(row, col, lane);
  let of_key = s.is_row == by_key;
  let at = select(starts(DOUT, b, h, s.line), starts(V, b, h, s.line), of_key);
  var m = mat4x4<f32>();
  for (var i = 0u; i < HEAD_DIM; i += 4u * STEP) {
    workgroupBarrier();
    if (!ALIGNED) {
      for (var e = lane; e < ONES; e += THREADS) {
        let one = one_of(e, row, col);
        if (one.is_row == by_key) {
          stage_one(e, kv_one(starts(V, b, h, one.line).x, i + one.k));
        } else {
          stage_one(e, dout_one(starts(DOUT, b, h, one.line).x, i + one.k));
        }
      }
    } else if (!s.none) {
      var block: mat4x4<f32>;
      if (of_key) {
        block = kv_block(at, i + s.k);
      } else {
        block = dout_block(at, i + s.k);
      }
      stage_block(s, block);
    }
    workgroupBarrier();
    m = multiply(m, lane % X, lane / X);
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

// A thread's sums: up to eight groups of four numbers of the head, 32 apart, of its
// four rows. grad_kv has two of them.
struct Sums {
  a: mat4x4<f32>,
  b: mat4x4<f32>,
}

var<private> sum0: Sums;
var<private> sum1: Sums;
var<private> sum2: Sums;
var<private> sum3: Sums;

// s + the weights of a column times its staged numbers.
fn add_column(s: Sums, c: u32, x: u32, y: u32) -> Sums {
  let w = tile[c][y];
  var sum = Sums(onto(s.a, w, stage[c % 32u][x]), s.b);
  if (X == 8u && PANEL > 8u) {
    sum.b = onto(s.b, w, stage[c % 32u][x + 8u]);
  }
  return sum;
}

// Four columns from column c, a multiple of four.
fn add_four(s: Sums, c: u32, x: u32, y: u32) -> Sums {
  let at = y ^ (c / 4u);
  return add_column(add_column(add_column(add_column(s, c, x, at), c + 1u, x, at), c + 2u, x, at), c + 3u, x, at);
}

// s + the tile times the staged panel of 32 columns.
fn add_staged(s: Sums, first: u32, lane: u32) -> Sums {
  let x = lane % X;
  let y = lane / X;
  var sum = s;
  for (var c = first; c < first + 32u; c += 8u) {
    sum = add_four(add_four(sum, c, x, y), c + 4u, x, y);
  }
  return sum;
}

// s + the tile times 64 numbers, from number i, of the rows of an operand, which is not
// dout, from col on.
fn add_panel(s: Sums, operand: u32, b: u32, h: u32, col: u32, i: u32, lane: u32) -> Sums {
  var sum = s;
  for (var first = 0u; first < COLS; first += 32u) {
    workgroupBarrier();
    if (ALIGNED) {
      for (var e = lane; e < 32u * PANEL; e += THREADS) {
        let at = starts(operand, b, h, col + first + e / PANEL).x;
        stage[e / PANEL][e % PANEL] = four_of(operand, at, i + 4u * (e % PANEL));
      }
    } else {
      for (var e = lane; e < 128u * PANEL; e += THREADS) {
        let k = e % (4u * PANEL);
        let at = starts(operand, b, h, col + first + e / (4u * PANEL)).x;
        stage[e / (4u * PANEL)][k / 4u][k % 4u] = number_in(operand, at, i + k);
      }
    }
    workgroupBarrier();
    sum = add_staged(sum, first, lane);
  }
  return sum;
}

// The same of dout.
fn add_dout_panel(s: Sums, b: u32, h: u32, col: u32, i: u32, lane: u32) -> Sums {
  var sum = s;
  for (var first = 0u; first < COLS; first += 32u) {
    workgroupBarrier();
    if (ALIGNED) {
      for (var e = lane; e < 32u * PANEL; e += THREADS) {
        stage[e / PANEL][e % PANEL] = dout_four(starts(DOUT, b, h, col + first + e / PANEL).x, i + 4u * (e % PANEL));
      }
    } else {
      for (var e = lane; e < 128u * PANEL; e += THREADS) {
        let at = e % (4u * PANEL);
        stage[e / (4u * PANEL)][at / 4u][at % 4u] = dout_one(starts(DOUT, b, h, col + first + e / (4u * PANEL)).x, i + at);
      }
    }
    workgroupBarrier();
    sum = add_staged(sum, first, lane);
  }
  return sum;
}

fn add_tile(operand: u32, b: u32, h: u32, col: u32, lane: u32) {
  sum0 = add_panel(sum0, operand, b, h, col, 0u, lane);
  if (PANELS > 1u) {
    sum1 = add_panel(sum1, operand, b, h, col, 64u, lane);
  }
  if (PANELS > 2u) {
    sum2 = add_panel(sum2, operand, b, h, col, 128u, lane);
  }
  if (PANELS > 3u) {
    sum3 = add_panel(sum3, operand, b, h, col, 192u, lane);
  }
}

fn scale_rows(m: mat4x4<f32>, f: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(f.x * m[0], f.y * m[1], f.z * m[2], f.w * m[3]);
}

fn scale_sums(s: Sums, f: vec4<f32>) -> Sums {
  return Sums(scale_rows(s.a, f), scale_rows(s.b, f));
}

fn scale_all(f: vec4<f32>) {
  sum0 = scale_sums(sum0, f);
  if (PANELS > 1u) {
    sum1 = scale_sums(sum1, f);
  }
  if (PANELS > 2u) {
    sum2 = scale_sums(sum2, f);
  }
  if (PANELS > 3u) {
    sum3 = scale_sums(sum3, f);
  }
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

fn columns_of(v: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(v, v, v, v);
}

// The dropout factors of a block of weights whose rows are queries.
fn keep_block(head: u32, query: u32, key: u32) -> mat4x4<f32> {
  if (params.threshold == 0u) {
    return rows_of(vec4(1.0));
  }
  let at = (head * params.queries + query) * params.keys + key + vec4(0u, 1u, 2u, 3u);
  return mat4x4(keep4(at), keep4(at + params.keys), keep4(at + 2u * params.keys), keep4(at + 3u * params.keys));
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

fn out_four(at: u32, inside: bool, i: u32, v: vec4<f32>) {
  if (inside && i < HEAD_DIM) { out[at + i] = v.x; }
  if (inside && i + 1u < HEAD_DIM) { out[at + i + 1u] = v.y; }
  if (inside && i + 2u < HEAD_DIM) { out[at + i + 2u] = v.z; }
  if (inside && i + 3u < HEAD_DIM) { out[at + i + 3u] = v.w; }
}

fn out_rows(p: Places, i: u32, m: mat4x4<f32>) {
  out_four(p.at.x, p.inside.x, i, m[0]);
  out_four(p.at.y, p.inside.y, i, m[1]);
  out_four(p.at.z, p.inside.z, i, m[2]);
  out_four(p.at.w, p.inside.w, i, m[3]);
}

fn out_sums(p: Places, i: u32, s: Sums) {
  out_rows(p, i, s.a);
  if (X == 8u) {
    out_rows(p, i + 32u, s.b);
  }
}

fn grad_four(at: u32, inside: bool, i: u32, v: vec4<f32>) {
  if (inside && i < HEAD_DIM) { grad[at + i] = v.x; }
  if (inside && i + 1u < HEAD_DIM) { grad[at + i + 1u] = v.y; }
  if (inside && i + 2u < HEAD_DIM) { grad[at + i + 2u] = v.z; }
  if (inside && i + 3u < HEAD_DIM) { grad[at + i + 3u] = v.w; }
}

fn grad_rows(p: Places, i: u32, m: mat4x4<f32>) {
  grad_four(p.at.x, p.inside.x, i, m[0]);
  grad_four(p.at.y, p.inside.y, i, m[1]);
  grad_four(p.at.z, p.inside.z, i, m[2]);
  grad_four(p.at.w, p.inside.w, i, m[3]);
}

fn grad_sums(p: Places, i: u32, s: Sums) {
  grad_rows(p, i, s.a);
  if (X == 8u) {
    grad_rows(p, i + 32u, s.b);
  }
}

fn grad_all(p: Places, x: u32) {
  grad_sums(p, 4u * x, sum0);
  if (PANELS > 1u) {
    grad_sums(p, 4u * x + 64u, sum1);
  }
  if (PANELS > 2u) {
    grad_sums(p, 4u * x + 128u, sum2);
  }
  if (PANELS > 3u) {
    grad_sums(p, 4u * x + 192u, sum3);
  }
}

@compute @workgroup_size(THREADS)
fn forward(group: Group, @builtin(local_invocation_index) lane: u32) {
  let blocks = (params.queries + ROWS - 1u) / ROWS;
  let unit = number_of(group);
  if (unit >= params.batch * params.heads * blocks) {
    return;
  }
  let head = unit / blocks;
  let b = head / params.heads;
  let h = head % params.heads;
  let first = unit % blocks * ROWS;
  let x = lane % X;
  let y = lane / X;
  let row = first + 4u * y;

  var peak = vec4(0.5 * LOWEST);  // above the score of a key not seen, whose weight is so exp(0.5·LOWEST) = 0
  var total = vec4(0.0);          // of this thread's columns
  let cover = span_of(keys_of(b, first + lane), lane);
  for (var key = cover.x; key < cover.y; key += COLS) {
    let col = key + 4u * x;
    var m = qk(b, h, first, key, false, lane) + by_query(near(h, row, col));
    if (key < cover.z || key + COLS > cover.w) {
      m = seen(m, keys_of_four(b, row), col);
    }
    let by_column = transpose(m);
    let mine = max(max(by_column[0], by_column[1]), max(by_column[2], by_column[3]));
    workgroupBarrier();
    stage[x][y] = mine;
    workgroupBarrier();
    var higher = peak;
    for (var i = 0u; i < X; i += 4u) {
      higher = max(higher, max(max(stage[i][y], stage[i + 1u][y]), max(stage[i + 2u][y], stage[i + 3u][y])));
    }
    let shrink = exp(peak - higher);
    peak = higher;
    scale_all(shrink);
    m = exp4(m - rows_of(peak));
    total = shrink * total + vec4(1.0) * m;
    put(times(m, keep_block(head, row, col)), x, y);
    add_tile(V, b, h, key, lane);
  }
  workgroupBarrier();
  stage[x][y] = total;
  workgroupBarrier();
  var whole = vec4(0.0);
  for (var i = 0u; i < X; i += 4u) {
    whole += stage[i][y] + stage[i + 1u][y] + stage[i + 2u][y] + stage[i + 3u][y];
  }
  // Of a row that sees nothing, all is zero.
  let empty = whole == vec4(0.0);
  whole = select(whole, vec4(1.0), empty);
  scale_all(1.0 / whole);
  let to = places(DOUT, b, h, row);
  out_sums(to, 4u * x, sum0);
  if (PANELS > 1u) {
    out_sums(to, 4u * x + 64u, sum1);
  }
  if (PANELS > 2u) {
    out_sums(to, 4u * x + 128u, sum2);
  }
  if (PANELS > 3u) {
    out_sums(to, 4u * x + 192u, sum3);
  }
  if (x == 0u) {
    let logs = select(peak + log(whole), vec4(0.0), empty);
    let at = head * params.queries + row;
    if (to.inside.x) { row_stats[at].x = logs.x; }
    if (to.inside.y) { row_stats[at + 1u].x = logs.y; }
    if (to.inside.z) { row_stats[at + 2u].x = logs.z; }
    if (to.inside.w) { row_stats[at + 3u].x = logs.w; }
  }
}

@compute @workgroup_size(256)
fn delta(group: Group, @builtin(local_invocation_index) lane: u32) {
  let unit = number_of(group) * 256u + lane;
  if (unit >= params.batch * params.heads * params.queries) {
    return;
  }
  let head = unit / params.queries;
  let at = out_index(head / params.heads, head % params.heads, unit % params.queries);
  var sum = 0.0;
  for (var i = 0u; i < HEAD_DIM; i++) {
    sum += delta_dout[at + i] * delta_out[at + i];
  }
  delta_stats[unit].y = sum;
}

// The lines of stats of four queries.
fn stats_of(head: u32, query: u32) -> mat4x2<f32> {
  let at = head * params.queries + min(vec4(query) + vec4(0u, 1u, 2u, 3u), vec4(params.queries - 1u));
  return mat4x2(stats[at.x], stats[at.y], stats[at.z], stats[at.w]);
}

// Their log-sum-exp, and their Δ.
fn log_sums(s: mat4x2<f32>) -> vec4<f32> { return vec4(s[0].x, s[1].x, s[2].x, s[3].x); }
fn deltas(s: mat4x2<f32>) -> vec4<f32> { return vec4(s[0].y, s[1].y, s[2].y, s[3].y); }

@compute @workgroup_size(THREADS)
fn grad_q(group: Group, @builtin(local_invocation_index) lane: u32) {
  let blocks = (params.queries + ROWS - 1u) / ROWS;
  let unit = number_of(group);
  if (unit >= params.batch * params.heads * blocks) {
    return;
  }
  let head = unit / blocks;
  let b = head / params.heads;
  let h = head % params.heads;
  let first = unit % blocks * ROWS;
  let x = lane % X;
  let y = lane / X;
  let row = first + 4u * y;

  let cover = span_of(keys_of(b, first + lane), lane);
  for (var key = cover.x; key < cover.y; key += COLS) {
    let col = key + 4u * x;
    var m = qk(b, h, first, key, false, lane) + by_query(near(h, row, col));
    if (key < cover.z || key + COLS > cover.w) {
      m = seen(m, keys_of_four(b, row), col);
    }
    m = exp4(m - rows_of(log_sums(stats_of(head, row))));
    let slope = times(dv(b, h, first, key, false, lane), keep_block(head, row, col));
    put(times(m, slope - rows_of(deltas(stats_of(head, row)))), x, y);
    add_tile(K, b, h, key, lane);
  }
  grad_all(places(Q, b, h, row), x);
}

// The sums of the values, beside those of the keys.
var<private> value0: Sums;
var<private> value1: Sums;

fn add_values(b: u32, h: u32, query: u32, part: u32, lane: u32) {
  value0 = add_dout_panel(value0, b, h, query, part, lane);
  if (PANELS > 1u) {
    value1 = add_dout_panel(value1, b, h, query, part + 64u, lane);
  }
}

fn add_keys(b: u32, h: u32, query: u32, part: u32, lane: u32) {
  sum0 = add_panel(sum0, Q, b, h, query, part, lane);
  if (PANELS > 1u) {
    sum1 = add_panel(sum1, Q, b, h, query, part + 64u, lane);
  }
}

// The gradients of the numbers of the head from number part on, up to 128 of them: the
// sums of more keys and values would not fit the registers. cover is what the windows
// of the workgroup's keys cover.
fn grad_kv_part(part: u32, b: u32, h: u32, first: u32, cover: vec4<u32>, lane: u32) {
  let head = b * params.heads + h;
  let x = lane % X;
  let y = lane / X;
  let row = first + 4u * y;
  sum0 = Sums();
  sum1 = Sums();
  value0 = Sums();
  value1 = Sums();
  for (var query = cover.x; query < cover.y; query += COLS) {
    let col = query + 4u * x;
    var m = qk(b, h, first, query, true, lane) + transpose(by_query(near(h, col, row)));
    if (query < cover.z || query + COLS > cover.w) {
      m = seen(m, queries_of_four(b, row), col);
    }
    m = exp4(m - columns_of(log_sums(stats_of(head, col))));
    put(times(m, transpose(keep_block(head, col, row))), x, y);
    add_values(b, h, query, part, lane);
    let slope = times(dv(b, h, first, query, true, lane), transpose(keep_block(head, col, row)));
    put(times(m, slope - columns_of(deltas(stats_of(head, col)))), x, y);
    add_keys(b, h, query, part, lane);
  }
  let i = part + 4u * x;
  let k_to = places(K, b, h, row);
  let v_to = places(V, b, h, row);
  grad_sums(k_to, i, sum0);
  grad_sums(v_to, i, value0);
  if (PANELS > 1u) {
    grad_sums(k_to, i + 64u, sum1);
    grad_sums(v_to, i + 64u, value1);
  }
}

@compute @workgroup_size(THREADS)
fn grad_kv(group: Group, @builtin(local_invocation_index) lane: u32) {
  let blocks = (params.keys + ROWS - 1u) / ROWS;
  let unit = number_of(group);
  if (unit >= params.batch * params.heads * blocks) {
    return;
  }
  let b = unit / blocks / params.heads;
  let h = unit / blocks % params.heads;
  let first = unit % blocks * ROWS;
  let cover = span_of(queries_of(b, first + lane), lane);
  grad_kv_part(0u, b, h, first, cover, lane);
  // No loop: one around all this takes SwiftShader minutes to compile.
  if (HEAD_DIM > 128u) {
    grad_kv_part(128u, b, h, first, cover, lane);
  }
}

const DISTANCES: u32 = 64u;

// A line for each of sixteen numbers of the 127 keys at one of the distances from 64
// queries, which are staged.
var<workgroup> near_keys: array<array<vec4<f32>, 32>, 16>;

// The products of four queries with the keys at eight distances from each, row by
// row: a for the first four distances.
struct Band {
  a: mat4x4<f32>,
  b: mat4x4<f32>,
}

fn onto_band(s: Band, q: vec4<f32>, k0: vec4<f32>, k1: vec4<f32>, k2: vec4<f32>) -> Band {
  return Band(
    mat4x4(
      fma(vec4(q.x), k0, s.a[0]),
      fma(vec4(q.y), vec4(k0.yzw, k1.x), s.a[1]),
      fma(vec4(q.z), vec4(k0.zw, k1.xy), s.a[2]),
      fma(vec4(q.w), vec4(k0.w, k1.xyz), s.a[3])),
    mat4x4(
      fma(vec4(q.x), k1, s.b[0]),
      fma(vec4(q.y), vec4(k1.yzw, k2.x), s.b[1]),
      fma(vec4(q.z), vec4(k1.zw, k2.xy), s.b[2]),
      fma(vec4(q.w), vec4(k1.w, k2.xyz), s.b[3])));
}

fn band_step(s: Band, i: u32, x: u32, y: u32) -> Band {
  let k = y + 2u * x;
  return onto_band(s, stage[i][y], near_keys[i][k], near_keys[i][k + 1u], near_keys[i][k + 2u]);
}

// Stages a block of sixteen numbers each of 64 queries, r below 16, or 128 keys.
fn band_block(r: u32, k: u32, block: mat4x4<f32>) {
  let part = transpose(block);
  if (r < 16u) {
    stage[4u * k][r] = part[0];
    stage[4u * k + 1u][r] = part[1];
    stage[4u * k + 2u][r] = part[2];
    stage[4u * k + 3u][r] = part[3];
  } else {
    near_keys[4u * k][r - 16u] = part[0];
    near_keys[4u * k + 1u][r - 16u] = part[1];
    near_keys[4u * k + 2u][r - 16u] = part[2];
    near_keys[4u * k + 3u][r - 16u] = part[3];
  }
}

fn band_multiply(s: Band, lane: u32) -> Band {
  let x = lane % 8u;
  let y = lane / 8u;
  var sum = s;
  for (var i = 0u; i < 4u * STEP; i += 4u) {
    sum = band_step(band_step(band_step(band_step(sum, i, x, y), i + 1u, x, y), i + 2u, x, y), i + 3u, x, y);
  }
  return sum;
}

// The share of a thread in that, of which there are 48·STEP: two for half of them.
fn stage_qk(e: u32, b: u32, h: u32, row: u32, near: i32, i: u32) {
  let k = e % STEP;
  let r = e / STEP;
  if (r < 16u) {
    band_block(r, k, q_block(starts(Q, b, h, row + 4u * r), i + 4u * k));
  } else if (r < 48u) {
    band_block(r, k, kv_block(starts(K, b, h, u32(near) + 4u * (r - 16u)), i + 4u * k));
  }
}

fn stage_dv(e: u32, b: u32, h: u32, row: u32, near: i32, i: u32) {
  let k = e % STEP;
  let r = e / STEP;
  if (r < 16u) {
    band_block(r, k, dout_block(starts(DOUT, b, h, row + 4u * r), i + 4u * k));
  } else if (r < 48u) {
    band_block(r, k, kv_block(starts(V, b, h, u32(near) + 4u * (r - 16u)), i + 4u * k));
  }
}

// The same one by one: number k of query r, or of key r of the 128.
fn stage_qk_ones(b: u32, h: u32, row: u32, near: i32, i: u32, lane: u32) {
  for (var e = lane; e < 768u * STEP; e += 128u) {
    let k = e % (4u * STEP);
    let r = e / (4u * STEP);
    if (r < ROWS) {
      stage[k][r / 4u][r % 4u] = q_one(starts(Q, b, h, row + r).x, i + k);
    } else {
      let key = r - ROWS;
      near_keys[k][key / 4u][key % 4u] = kv_one(starts(K, b, h, u32(near) + key).x, i + k);
    }
  }
}

fn stage_dv_ones(b: u32, h: u32, row: u32, near: i32, i: u32, lane: u32) {
  for (var e = lane; e < 768u * STEP; e += 128u) {
    let k = e % (4u * STEP);
    let r = e / (4u * STEP);
    if (r < ROWS) {
      stage[k][r / 4u][r % 4u] = dout_one(starts(DOUT, b, h, row + r).x, i + k);
    } else {
      let key = r - ROWS;
      near_keys[k][key / 4u][key % 4u] = kv_one(starts(V, b, h, u32(near) + key).x, i + k);
    }
  }
}

// q·k of the queries from row with the keys from near. A key before the first wraps
// beyond the last; nobody sees either.
fn qk_band(b: u32, h: u32, row: u32, near: i32, lane: u32) -> Band {
  var s = Band();
  for (var i = 0u; i < HEAD_DIM; i += 4u * STEP) {
    workgroupBarrier();
    if (ALIGNED) {
      stage_qk(lane, b, h, row, near, i);
      stage_qk(lane + 128u, b, h, row, near, i);
    } else {
      stage_qk_ones(b, h, row, near, i, lane);
    }
    workgroupBarrier();
    s = band_multiply(s, lane);
  }
  return s;
}

// dout·v of the same.
fn dv_band(b: u32, h: u32, row: u32, near: i32, lane: u32) -> Band {
  var s = Band();
  for (var i = 0u; i < HEAD_DIM; i += 4u * STEP) {
    workgroupBarrier();
    if (ALIGNED) {
      stage_dv(lane, b, h, row, near, i);
      stage_dv(lane + 128u, b, h, row, near, i);
    } else {
      stage_dv_ones(b, h, row, near, i, lane);
    }
    workgroupBarrier();
    s = band_multiply(s, lane);
  }
  return s;
}

// ds of a query and four keys from key j on, of which it sees those of w.
fn slopes(h: u32, head: u32, i: u32, j: i32, w: vec2<u32>, s: vec4<f32>, slope: vec4<f32>) -> vec4<f32> {
  let key = vec4<u32>(vec4(j) + vec4(0, 1, 2, 3));
  let line = head * params.queries + min(i, params.queries - 1u);
  var m = s;
  if (params.bias_span != 0u) {
    let width = 2u * params.bias_span - 1u;
    let at = h * width + min(key + params.bias_span - 1u - position(i), vec4(width - 1u));
    m += vec4(bias[at.x], bias[at.y], bias[at.z], bias[at.w]);
  }
  m = select(vec4(LOWEST), m, (key >= vec4(w.x)) & (key < vec4(w.y)));
  var kept = slope;
  if (params.threshold != 0u) {
    kept *= keep4(line * params.keys + key);
  }
  return exp(m - stats[line].x) * (kept - stats[line].y);
}

// A workgroup sums 64 neighboring distances over the batch: for 64 queries at a
// time it needs the 127 keys that lie at one of them.
@compute @workgroup_size(128u)
fn grad_bias(group: Group, @builtin(local_invocation_index) lane: u32) {
  let width = 2u * params.bias_span - 1u;
  let blocks = (width + DISTANCES - 1u) / DISTANCES;
  let unit = number_of(group);
  if (unit >= params.heads * blocks) {
    return;
  }
  let h = unit / blocks;
  let first = unit % blocks * DISTANCES;
  // Key minus query of the first of these distances.
  let offset = i32(first) - i32(params.bias_span - 1u);
  let x = lane % 8u;
  let y = lane / 8u;
  var a = vec4(0.0);
  var c = vec4(0.0);
  // The queries that have a key at one of them.
  let start = u32(max(0, 1 - offset - i32(DISTANCES)));
  let end = u32(clamp(i32(params.keys) - offset, 0, i32(params.queries)));
  for (var b = 0u; b < params.batch; b++) {
    let head = b * params.heads + h;
    for (var row = start; row < end; row += ROWS) {
      let near = i32(row) + offset;
      let cover = vec2<i32>(span_of(keys_of(b, row + lane), lane).xy);
      if (max(cover.x, near) >= min(cover.y, near + i32(ROWS + DISTANCES - 1u))) {
        continue;
      }
      let s = qk_band(b, h, row, near, lane);
      let slope = dv_band(b, h, row, near, lane);
      let i = row + 4u * y;
      let j = i32(i + 8u * x) + offset;
      let w = keys_of_four(b, i);
      a += slopes(h, head, i, j, vec2(w.first.x, w.end.x), s.a[0], slope.a[0]);
      a += slopes(h, head, i + 1u, j + 1, vec2(w.first.y, w.end.y), s.a[1], slope.a[1]);
      a += slopes(h, head, i + 2u, j + 2, vec2(w.first.z, w.end.z), s.a[2], slope.a[2]);
      a += slopes(h, head, i + 3u, j + 3, vec2(w.first.w, w.end.w), s.a[3], slope.a[3]);
      c += slopes(h, head, i, j + 4, vec2(w.first.x, w.end.x), s.b[0], slope.b[0]);
      c += slopes(h, head, i + 1u, j + 5, vec2(w.first.y, w.end.y), s.b[1], slope.b[1]);
      c += slopes(h, head, i + 2u, j + 6, vec2(w.first.z, w.end.z), s.b[2], slope.b[2]);
      c += slopes(h, head, i + 3u, j + 7, vec2(w.first.w, w.end.w), s.b[3], slope.b[3]);
    }
  }
  workgroupBarrier();
  stage[y][2u * x] = a;
  stage[y][2u * x + 1u] = c;
  workgroupBarrier();
  if (lane < DISTANCES && first + lane < width) {
    var whole = 0.0;
    for (var r = 0u; r < 16u; r++) {
      whole += stage[r][lane / 4u][lane % 4u];
    }
    grad[h * width + first + lane] += whole;
  }
}
