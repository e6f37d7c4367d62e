// The gradient of attention's bias.

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

const DISTANCES: u32 = 64u;

// A line for each of sixteen numbers of the 127 keys at one of the distances from 64
// queries, which are staged.
var<workgroup> tile: array<array<vec4<f32>, 32>, 16>;

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
  return onto_band(s, stage[i][y], tile[i][k], tile[i][k + 1u], tile[i][k + 2u]);
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
    tile[4u * k][r - 16u] = part[0];
    tile[4u * k + 1u][r - 16u] = part[1];
    tile[4u * k + 2u][r - 16u] = part[2];
    tile[4u * k + 3u][r - 16u] = part[3];
  }
}

// s + count products of what is staged.
fn band_multiply(s: Band, count: u32, lane: u32) -> Band {
  let x = lane % 8u;
  let y = lane / 8u;
  var sum = s;
  for (var i = 0u; i < count; i += 4u) {
    sum = band_step(sum, i, x, y);
    if (!GUARDED || i + 1u < count) {
      sum = band_step(sum, i + 1u, x, y);
    }
    if (!GUARDED || i + 2u < count) {
      sum = band_step(sum, i + 2u, x, y);
    }
    if (!GUARDED || i + 3u < count) {
      sum = band_step(sum, i + 3u, x, y);
    }
  }
  return sum;
}

// The share of a thread in that, of which there are 48·STEP: two for half of them.
fn stage_bands(e: u32, of_queries: u32, of_keys: u32, b: u32, h: u32, row: u32, near: i32, i: u32) {
  let k = e % STEP;
  let r = e / STEP;
  if (r < 16u) {
    band_block(r, k, block_of(of_queries, starts(of_queries, b, h, row + 4u * r), i + 4u * k));
  } else if (r < 48u) {
    band_block(r, k, block_of(of_keys, starts(of_keys, b, h, u32(near) + 4u * (r - 16u)), i + 4u * k));
  }
}

// The same one by one: number k of query r, or of key r of the 128.
fn stage_band_ones(of_queries: u32, of_keys: u32, b: u32, h: u32, row: u32, near: i32, i: u32, lane: u32) {
  for (var e = lane; e < 768u * STEP; e += 128u) {
    let k = e % (4u * STEP);
    let r = e / (4u * STEP);
    if (r < ROWS) {
      stage[k][r / 4u][r % 4u] = one_of(of_queries, starts(of_queries, b, h, row + r).x, i + k);
    } else {
      let key = r - ROWS;
      tile[k][key / 4u][key % 4u] = one_of(of_keys, starts(of_keys, b, h, u32(near) + key).x, i + k);
    }
  }
}

// The products of the queries from row with the keys from near: q·k or dout·v. A key
// before the first wraps beyond the last; nobody sees either.
fn band_products(of_queries: u32, of_keys: u32, b: u32, h: u32, row: u32, near: i32, lane: u32) -> Band {
  var s = Band();
  // The size of a head, as a compiler does not know it, which would drop the guards.
  let size = select(HEAD_DIM, min(HEAD_DIM, params.kv_stride), GUARDED);
  for (var i = 0u; i < HEAD_DIM; i += 4u * STEP) {
    workgroupBarrier();
    if (ALIGNED) {
      stage_bands(lane, of_queries, of_keys, b, h, row, near, i);
      stage_bands(lane + 128u, of_queries, of_keys, b, h, row, near, i);
    } else {
      stage_band_ones(of_queries, of_keys, b, h, row, near, i, lane);
    }
    workgroupBarrier();
    s = band_multiply(s, min(4u * STEP, size - i), lane);
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
  return exp(m - stats[2u * line]) * (kept - stats[2u * line + 1u]);
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
    for (var row = start; row < end; row += ROWS) {
      let near = i32(row) + offset;
      let cover = vec2<i32>(span_of(keys_of(b, row + lane), lane).xy);
      if (max(cover.x, near) >= min(cover.y, near + i32(ROWS + DISTANCES - 1u))) {
        continue;
      }
      let s = band_products(Q, K, b, h, row, near, lane);
      let slope = band_products(DOUT, V, b, h, row, near, lane);
      let head = b * params.heads + h;
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
    result[h * width + first + lane] += whole;
  }
}
