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
// A workgroup holds a tile of 64 rows by 32 columns of the scores: forward and
// grad_q have queries as rows and walk along the keys, grad_kv has keys as rows
// and walks along the queries. Its 16×16 invocations hold 4×2 scores each, of
// rows 4y to 4y+3 and columns x and x+16. Head sizes up to 256. Software adapters
// run attention_wide.wgsl where it can serve.

override HEAD_DIM: u32 = 64;

const ROWS: u32 = 64;
const COLS: u32 = 32;
const STEP: u32 = 16;            // elements of the head staged for a product of rows with columns
const STAGE_STRIDE: u32 = 17;    // STEP + 1, against bank conflicts
const TILE_STRIDE: u32 = 33;     // COLS + 1
const PANEL: u32 = 64;           // elements of the head summed at a time, of 16 columns
const PANEL_STRIDE: u32 = 65;
const MAX_SUMS: u32 = 64;        // of an invocation: 4 rows × 256 / 16
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
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> kv: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
// The first and the end of the keys that each query may see; in grad_kv, of the
// queries that may see each key.
@group(0) @binding(4) var<storage, read> window: array<vec2<u32>>;
// forward
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read_write> row_stats: array<vec2<f32>>;
// grad_q, grad_kv, grad_bias
@group(0) @binding(5) var<storage, read> dout: array<f32>;
@group(0) @binding(6) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> grad: array<f32>;
// delta
@group(0) @binding(1) var<storage, read> delta_dout: array<f32>;
@group(0) @binding(2) var<storage, read> delta_out: array<f32>;
@group(0) @binding(3) var<storage, read_write> delta_stats: array<vec2<f32>>;

var<workgroup> stage: array<f32, 1632>;  // (ROWS + COLS)·STAGE_STRIDE, or 16·PANEL_STRIDE
var<workgroup> tile: array<f32, 2112>;   // ROWS·TILE_STRIDE

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

fn q_index(b: u32, h: u32, row: u32) -> u32 {
  return (b * params.queries + row) * params.q_stride + params.q_offset + h * HEAD_DIM;
}

fn k_index(b: u32, h: u32, row: u32) -> u32 {
  return (b * params.keys + row) * params.kv_stride + params.k_offset + h * HEAD_DIM;
}

fn v_index(b: u32, h: u32, row: u32) -> u32 {
  return (b * params.keys + row) * params.kv_stride + params.v_offset + h * HEAD_DIM;
}

fn out_index(b: u32, h: u32, row: u32) -> u32 {
  return ((b * params.queries + row) * params.heads + h) * HEAD_DIM;
}

// The operands with zeros beyond their ends.
fn q_at(b: u32, h: u32, row: u32, i: u32) -> f32 {
  if (row < params.queries && i < HEAD_DIM) {
    return q[q_index(b, h, row) + i];
  }
  return 0.0;
}

fn k_at(b: u32, h: u32, row: u32, i: u32) -> f32 {
  if (row < params.keys && i < HEAD_DIM) {
    return kv[k_index(b, h, row) + i];
  }
  return 0.0;
}

fn v_at(b: u32, h: u32, row: u32, i: u32) -> f32 {
  if (row < params.keys && i < HEAD_DIM) {
    return kv[v_index(b, h, row) + i];
  }
  return 0.0;
}

fn dout_at(b: u32, h: u32, row: u32, i: u32) -> f32 {
  if (row < params.queries && i < HEAD_DIM) {
    return dout[out_index(b, h, row) + i];
  }
  return 0.0;
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

// What two windows cover. An empty one adds nothing, wherever it lies.
fn cover(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  if (b.x >= b.y) {
    return a;
  }
  return vec2(min(a.x, b.x), max(a.y, b.y));
}

// What the windows of a tile's queries cover.
fn keys_of_tile(b: u32, first: u32) -> vec2<u32> {
  var all = vec2(params.keys, 0u);
  for (var r = 0u; r < ROWS; r++) {
    all = cover(all, keys_of(b, first + r));
  }
  return all;
}

// What the windows of a tile's keys cover.
fn queries_of_tile(b: u32, first: u32) -> vec2<u32> {
  var all = vec2(params.queries, 0u);
  for (var r = 0u; r < ROWS; r++) {
    all = cover(all, queries_of(b, first + r));
  }
  return all;
}

fn inside(w: vec2<u32>, at: u32) -> bool {
  return at >= w.x && at < w.y;
}

fn bias_of(h: u32, row: u32, key: u32) -> f32 {
  if (params.bias_span == 0u) {
    return 0.0;
  }
  return bias[h * (2u * params.bias_span - 1u) + params.bias_span - 1u + key - position(row)];
}

// The products of four staged rows with two staged columns, onto acc.
fn products(acc: ptr<function, array<f32, 8>>, x: u32, y: u32) {
  for (var i = 0u; i < STEP; i++) {
    let c0 = stage[(ROWS + x) * STAGE_STRIDE + i];
    let c1 = stage[(ROWS + x + 16u) * STAGE_STRIDE + i];
    for (var r = 0u; r < 4u; r++) {
      let a = stage[(4u * y + r) * STAGE_STRIDE + i];
      (*acc)[2u * r] += a * c0;
      (*acc)[2u * r + 1u] += a * c1;
    }
  }
}

// q_i·k_j over the tile; by_key has keys as rows.
fn qk_tile(b: u32, h: u32, row: u32, col: u32, by_key: bool, lid: u32) -> array<f32, 8> {
  var acc = array<f32, 8>();
  for (var at = 0u; at < HEAD_DIM; at += STEP) {
    workgroupBarrier();
    for (var e = lid; e < (ROWS + COLS) * STEP; e += 256u) {
      let line = e / STEP;
      let i = at + e % STEP;
      let n = select(col + line - ROWS, row + line, line < ROWS);
      if ((line < ROWS) == by_key) {
        stage[line * STAGE_STRIDE + e % STEP] = k_at(b, h, n, i);
      } else {
        stage[line * STAGE_STRIDE + e % STEP] = q_at(b, h, n, i);
      }
    }
    workgroupBarrier();
    products(&acc, lid % 16u, lid / 16u);
  }
  return acc;
}

// dout_i·v_j over the tile; by_key has keys as rows.
fn dv_tile(b: u32, h: u32, row: u32, col: u32, by_key: bool, lid: u32) -> array<f32, 8> {
  var acc = array<f32, 8>();
  for (var at = 0u; at < HEAD_DIM; at += STEP) {
    workgroupBarrier();
    for (var e = lid; e < (ROWS + COLS) * STEP; e += 256u) {
      let line = e / STEP;
      let i = at + e % STEP;
      let n = select(col + line - ROWS, row + line, line < ROWS);
      if ((line < ROWS) == by_key) {
        stage[line * STAGE_STRIDE + e % STEP] = v_at(b, h, n, i);
      } else {
        stage[line * STAGE_STRIDE + e % STEP] = dout_at(b, h, n, i);
      }
    }
    workgroupBarrier();
    products(&acc, lid % 16u, lid / 16u);
  }
  return acc;
}

// The sums of an invocation are of its four rows and the elements x + 16j of the
// head, at 4j + row.
fn sums() -> u32 {
  return (HEAD_DIM + PANEL - 1u) / PANEL * 4u;
}

// The tile's 16 columns from col, times the staged panel of their vectors, onto
// the sums of the head's elements from first on.
fn panel(acc: ptr<function, array<f32, MAX_SUMS>>, first: u32, col: u32, x: u32, y: u32) {
  for (var c = 0u; c < 16u; c++) {
    for (var j = 0u; j < 4u; j++) {
      let a = stage[c * PANEL_STRIDE + x + 16u * j];
      for (var r = 0u; r < 4u; r++) {
        (*acc)[first / 4u + 4u * j + r] += tile[(4u * y + r) * TILE_STRIDE + col + c] * a;
      }
    }
  }
}

// acc += the tile times the values, or the keys, from row key on.
fn sum_keys(acc: ptr<function, array<f32, MAX_SUMS>>, b: u32, h: u32, key: u32, values: bool, lid: u32) {
  for (var at = 0u; at < HEAD_DIM; at += PANEL) {
    for (var col = 0u; col < COLS; col += 16u) {
      workgroupBarrier();
      for (var e = lid; e < 16u * PANEL; e += 256u) {
        let n = key + col + e / PANEL;
        let i = at + e % PANEL;
        if (values) {
          stage[e / PANEL * PANEL_STRIDE + e % PANEL] = v_at(b, h, n, i);
        } else {
          stage[e / PANEL * PANEL_STRIDE + e % PANEL] = k_at(b, h, n, i);
        }
      }
      workgroupBarrier();
      panel(acc, at, col, lid % 16u, lid / 16u);
    }
  }
}

// acc += the tile times dout, or the queries, from row query on.
fn sum_queries(acc: ptr<function, array<f32, MAX_SUMS>>, b: u32, h: u32, query: u32, above: bool, lid: u32) {
  for (var at = 0u; at < HEAD_DIM; at += PANEL) {
    for (var col = 0u; col < COLS; col += 16u) {
      workgroupBarrier();
      for (var e = lid; e < 16u * PANEL; e += 256u) {
        let n = query + col + e / PANEL;
        let i = at + e % PANEL;
        if (above) {
          stage[e / PANEL * PANEL_STRIDE + e % PANEL] = dout_at(b, h, n, i);
        } else {
          stage[e / PANEL * PANEL_STRIDE + e % PANEL] = q_at(b, h, n, i);
        }
      }
      workgroupBarrier();
      panel(acc, at, col, lid % 16u, lid / 16u);
    }
  }
}

@compute @workgroup_size(256)
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
  let x = lane % 16u;
  let row = first + lane / 16u * 4u;

  var sum = array<f32, MAX_SUMS>();
  var peak = array<f32, 4>(LOWEST, LOWEST, LOWEST, LOWEST);
  var total = array<f32, 4>();  // of this invocation's two columns
  let sees = array(keys_of(b, row), keys_of(b, row + 1u), keys_of(b, row + 2u), keys_of(b, row + 3u));
  let span = keys_of_tile(b, first);
  for (var key = span.x; key < span.y; key += COLS) {
    var score = qk_tile(b, h, first, key, false, lane);
    for (var e = 0u; e < 8u; e++) {
      let i = row + e / 2u;
      let j = key + x + e % 2u * 16u;
      if (inside(sees[e / 2u], j)) {
        score[e] += bias_of(h, i, j);
      } else {
        score[e] = LOWEST;
      }
      tile[(i - first) * TILE_STRIDE + j - key] = score[e];
    }
    workgroupBarrier();
    for (var r = 0u; r < 4u; r++) {
      var top = peak[r];
      for (var c = 0u; c < COLS; c++) {
        top = max(top, tile[(row + r - first) * TILE_STRIDE + c]);
      }
      let shrink = exp(peak[r] - top);
      peak[r] = top;
      total[r] *= shrink;
      for (var j = 0u; j < sums(); j++) {
        sum[4u * j + r] *= shrink;
      }
    }
    workgroupBarrier();
    for (var e = 0u; e < 8u; e++) {
      let i = row + e / 2u;
      let j = key + x + e % 2u * 16u;
      var weight = 0.0;
      if (score[e] > LOWEST) {
        weight = exp(score[e] - peak[e / 2u]);
      }
      total[e / 2u] += weight;
      tile[(i - first) * TILE_STRIDE + j - key] = weight * keep((head * params.queries + i) * params.keys + j);
    }
    sum_keys(&sum, b, h, key, true, lane);
  }

  workgroupBarrier();
  for (var r = 0u; r < 4u; r++) {
    tile[(row + r - first) * TILE_STRIDE + x] = total[r];
  }
  workgroupBarrier();
  for (var r = 0u; r < 4u; r++) {
    let i = row + r;
    if (i < params.queries) {
      var whole = 0.0;
      for (var c = 0u; c < 16u; c++) {
        whole += tile[(i - first) * TILE_STRIDE + c];
      }
      // Of a row that sees nothing, all is zero.
      let empty = whole == 0.0;
      whole = select(whole, 1.0, empty);
      for (var j = 0u; j < sums(); j++) {
        if (x + 16u * j < HEAD_DIM) {
          out[out_index(b, h, i) + x + 16u * j] = sum[4u * j + r] / whole;
        }
      }
      if (x == 0u) {
        row_stats[head * params.queries + i].x = select(peak[r] + log(whole), 0.0, empty);
      }
    }
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

// keep·p and ds of query i and key j, from q·k and dout·v; zero unless it sees
// the key.
fn weights(b: u32, h: u32, i: u32, j: u32, sees: bool, score: f32, slope: f32) -> vec2<f32> {
  if (!sees) {
    return vec2(0.0);
  }
  let line = (b * params.heads + h) * params.queries + i;
  let p = exp(score + bias_of(h, i, j) - stats[line].x);
  let kept = keep(line * params.keys + j);
  return vec2(kept * p, p * (kept * slope - stats[line].y));
}

@compute @workgroup_size(256)
fn grad_q(group: Group, @builtin(local_invocation_index) lane: u32) {
  let blocks = (params.queries + ROWS - 1u) / ROWS;
  let unit = number_of(group);
  if (unit >= params.batch * params.heads * blocks) {
    return;
  }
  let b = unit / blocks / params.heads;
  let h = unit / blocks % params.heads;
  let first = unit % blocks * ROWS;
  let x = lane % 16u;
  let row = first + lane / 16u * 4u;

  var sum = array<f32, MAX_SUMS>();
  let sees = array(keys_of(b, row), keys_of(b, row + 1u), keys_of(b, row + 2u), keys_of(b, row + 3u));
  let span = keys_of_tile(b, first);
  for (var key = span.x; key < span.y; key += COLS) {
    let score = qk_tile(b, h, first, key, false, lane);
    let slope = dv_tile(b, h, first, key, false, lane);
    for (var e = 0u; e < 8u; e++) {
      let i = row + e / 2u;
      let j = key + x + e % 2u * 16u;
      tile[(i - first) * TILE_STRIDE + j - key] = weights(b, h, i, j, inside(sees[e / 2u], j), score[e], slope[e]).y;
    }
    sum_keys(&sum, b, h, key, false, lane);
  }
  for (var r = 0u; r < 4u; r++) {
    if (row + r < params.queries) {
      for (var j = 0u; j < sums(); j++) {
        if (x + 16u * j < HEAD_DIM) {
          grad[q_index(b, h, row + r) + x + 16u * j] = sum[4u * j + r];
        }
      }
    }
  }
}

@compute @workgroup_size(256)
fn grad_kv(group: Group, @builtin(local_invocation_index) lane: u32) {
  let blocks = (params.keys + ROWS - 1u) / ROWS;
  let unit = number_of(group);
  if (unit >= params.batch * params.heads * blocks) {
    return;
  }
  let b = unit / blocks / params.heads;
  let h = unit / blocks % params.heads;
  let first = unit % blocks * ROWS;
  let x = lane % 16u;
  let row = first + lane / 16u * 4u;

  var key_sum = array<f32, MAX_SUMS>();
  var value_sum = array<f32, MAX_SUMS>();
  let seen = array(queries_of(b, row), queries_of(b, row + 1u), queries_of(b, row + 2u), queries_of(b, row + 3u));
  let span = queries_of_tile(b, first);
  for (var query = span.x; query < span.y; query += COLS) {
    let score = qk_tile(b, h, first, query, true, lane);
    let slope = dv_tile(b, h, first, query, true, lane);
    var ds: array<f32, 8>;
    for (var e = 0u; e < 8u; e++) {
      let j = row + e / 2u;
      let i = query + x + e % 2u * 16u;
      let w = weights(b, h, i, j, inside(seen[e / 2u], i), score[e], slope[e]);
      tile[(j - first) * TILE_STRIDE + i - query] = w.x;
      ds[e] = w.y;
    }
    sum_queries(&value_sum, b, h, query, true, lane);
    workgroupBarrier();
    for (var e = 0u; e < 8u; e++) {
      tile[(row + e / 2u - first) * TILE_STRIDE + x + e % 2u * 16u] = ds[e];
    }
    sum_queries(&key_sum, b, h, query, false, lane);
  }
  for (var r = 0u; r < 4u; r++) {
    if (row + r < params.keys) {
      for (var j = 0u; j < sums(); j++) {
        if (x + 16u * j < HEAD_DIM) {
          grad[k_index(b, h, row + r) + x + 16u * j] = key_sum[4u * j + r];
          grad[v_index(b, h, row + r) + x + 16u * j] = value_sum[4u * j + r];
        }
      }
    }
  }
}

var<workgroup> band: array<f32, 2703>;  // (64 queries + 95 keys)·STAGE_STRIDE

// The products of four staged queries with the keys x and x + 16 places after
// each, onto acc.
fn diagonals(acc: ptr<function, array<f32, 8>>, x: u32, y: u32) {
  for (var r = 0u; r < 4u; r++) {
    let line = 4u * y + r;
    for (var i = 0u; i < STEP; i++) {
      let a = band[line * STAGE_STRIDE + i];
      (*acc)[2u * r] += a * band[(ROWS + line + x) * STAGE_STRIDE + i];
      (*acc)[2u * r + 1u] += a * band[(ROWS + line + x + 16u) * STAGE_STRIDE + i];
    }
  }
}

// A workgroup sums 32 neighboring distances over the batch: for 64 queries at
// a time it needs the 95 keys that lie at one of them.
@compute @workgroup_size(256)
fn grad_bias(group: Group, @builtin(local_invocation_index) lane: u32) {
  let width = 2u * params.bias_span - 1u;
  let blocks = (width + COLS - 1u) / COLS;
  let unit = number_of(group);
  if (unit >= params.heads * blocks) {
    return;
  }
  let h = unit / blocks;
  let first = unit % blocks * COLS;
  // Key minus query of the first of these distances.
  let offset = i32(first) - i32(params.bias_span - 1u);
  let x = lane % 16u;
  let y = lane / 16u;
  var sum = array<f32, 8>();
  // The queries that have a key at one of them.
  let start = u32(max(0, 1 - offset - i32(COLS)));
  let end = u32(clamp(i32(params.keys) - offset, 0, i32(params.queries)));
  for (var b = 0u; b < params.batch; b++) {
    for (var row = start; row < end; row += ROWS) {
      let near = i32(row) + offset;
      let span = vec2<i32>(keys_of_tile(b, row));
      if (max(span.x, near) >= min(span.y, near + i32(ROWS + COLS - 1u))) {
        continue;
      }
      var score = array<f32, 8>();
      var slope = array<f32, 8>();
      for (var at = 0u; at < HEAD_DIM; at += STEP) {
        workgroupBarrier();
        for (var e = lane; e < (2u * ROWS + COLS - 1u) * STEP; e += 256u) {
          let line = e / STEP;
          if (line < ROWS) {
            band[line * STAGE_STRIDE + e % STEP] = q_at(b, h, row + line, at + e % STEP);
          } else {
            band[line * STAGE_STRIDE + e % STEP] = k_at(b, h, u32(i32(row + line - ROWS) + offset), at + e % STEP);
          }
        }
        workgroupBarrier();
        diagonals(&score, x, y);
      }
      for (var at = 0u; at < HEAD_DIM; at += STEP) {
        workgroupBarrier();
        for (var e = lane; e < (2u * ROWS + COLS - 1u) * STEP; e += 256u) {
          let line = e / STEP;
          if (line < ROWS) {
            band[line * STAGE_STRIDE + e % STEP] = dout_at(b, h, row + line, at + e % STEP);
          } else {
            band[line * STAGE_STRIDE + e % STEP] = v_at(b, h, u32(i32(row + line - ROWS) + offset), at + e % STEP);
          }
        }
        workgroupBarrier();
        diagonals(&slope, x, y);
      }
      for (var e = 0u; e < 8u; e++) {
        let i = row + 4u * y + e / 2u;
        let j = u32(i32(i + x + e % 2u * 16u) + offset);  // one before the first wraps beyond the last
        sum[e] += weights(b, h, i, j, inside(keys_of(b, i), j), score[e], slope[e]).y;
      }
    }
  }
  workgroupBarrier();
  for (var e = 0u; e < 8u; e++) {
    band[(4u * y + e / 2u) * TILE_STRIDE + x + e % 2u * 16u] = sum[e];
  }
  workgroupBarrier();
  if (lane < COLS && first + lane < width) {
    var whole = 0.0;
    for (var r = 0u; r < ROWS; r++) {
      whole += band[r * TILE_STRIDE + lane];
    }
    grad[h * width + first + lane] += whole;
  }
}
