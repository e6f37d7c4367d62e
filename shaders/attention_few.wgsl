// The forward pass of attention for few queries, as in decoding, where a tile of 64
// would be empty but for some. A workgroup has one query of one head and walks along its
// keys, 256 at a time. Four threads have the scores of four neighboring keys, each a
// quarter of the numbers of the head; then a thread has four numbers of the head, and of
// the keys every GROUPS-th four. Neighboring threads so read neighboring numbers, and
// every key and value once.

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

@group(0) @binding(5) var<storage, read_write> result: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> row_stats: array<vec2<f32>>;

fn four_at(operand: u32, i: u32) -> vec4<f32> {
  if (operand == Q) {
    return q[i];
  }
  return kv[i];
}

const LANES: u32 = 256u;
const GROUPS: u32 = min(32u, LANES / FOURS);
const SIXTEENS: u32 = (FOURS + 3u) / 4u;

// The query, and zeros up to a multiple of sixteen numbers.
var<workgroup> query: array<vec4<f32>, 4u * SIXTEENS>;
// What each thread has of four scores, and at the end of the sums.
var<workgroup> parts: array<vec4<f32>, LANES>;
// The weights of 256 keys, and what sixteen threads make of sixteen each.
var<workgroup> weights: array<vec4<f32>, 64>;
var<workgroup> sixteenths: array<vec4<f32>, 4>;

// s + the products of the columns of m with w.
fn onto(s: vec4<f32>, w: vec4<f32>, m: mat4x4<f32>) -> vec4<f32> {
  return fma(vec4(w.w), m[3], fma(vec4(w.z), m[2], fma(vec4(w.y), m[1], fma(vec4(w.x), m[0], s))));
}

// Four numbers of each of four rows.
fn block(at: vec4<u32>) -> mat4x4<f32> {
  return mat4x4(kv[at.x], kv[at.y], kv[at.z], kv[at.w]);
}

fn bias_of(h: u32, row: u32, key: u32) -> f32 {
  if (params.bias_span == 0u) {
    return 0.0;
  }
  return bias[h * (2u * params.bias_span - 1u) + params.bias_span - 1u + key - position(row)];
}

@compute @workgroup_size(LANES)
fn forward(group: Group, @builtin(local_invocation_index) lane: u32) {
  let unit = number_of(group);
  if (unit >= params.batch * params.heads * params.queries) {
    return;
  }
  let row = unit % params.queries;
  let head = unit / params.queries;
  let b = head / params.heads;
  let h = head % params.heads;
  if (lane < 4u * SIXTEENS) {
    query[lane] = select(vec4(0.0), q[starts(Q, b, h, row).x / 4u + lane], lane < FOURS);
  }
  let mine = min(lane / FOURS, GROUPS - 1u);  // of the groups, in the sum; what is left over does another's again
  let place = lane % FOURS;  // of the numbers, in fours
  let stride = params.kv_stride / 4u;
  var peak = 0.5 * LOWEST;  // above the score of a key not seen, whose weight is so exp(0.5·LOWEST) = 0
  var total = 0.0;          // of this thread's keys
  var sum = vec4(0.0);
  let cover = keys_of(b, row);
  for (var first = cover.x; first < cover.y; first += LANES) {
    workgroupBarrier();
    let keys = starts(K, b, h, first + lane / 4u * 4u) / 4u;
    var scores = vec4(0.0);
    for (var i = 0u; i < 4u * SIXTEENS; i += 4u) {
      scores = onto(scores, query[i + lane % 4u], transpose(block(keys + min(i + lane % 4u, FOURS - 1u))));
    }
    parts[lane] = scores;
    workgroupBarrier();
    let quad = lane / 4u * 4u;
    let key = first + lane;
    var score = LOWEST;
    if (key < cover.y) {
      score = parts[quad][lane % 4u] + parts[quad + 1u][lane % 4u] + parts[quad + 2u][lane % 4u] + parts[quad + 3u][lane % 4u] + bias_of(h, row, key);
    }
    weights[lane / 4u][lane % 4u] = score;
    workgroupBarrier();
    if (lane < 16u) {
      let m = max(max(weights[4u * lane], weights[4u * lane + 1u]), max(weights[4u * lane + 2u], weights[4u * lane + 3u]));
      sixteenths[lane / 4u][lane % 4u] = max(max(m.x, m.y), max(m.z, m.w));
    }
    workgroupBarrier();
    let m = max(max(sixteenths[0], sixteenths[1]), max(sixteenths[2], sixteenths[3]));
    let higher = max(peak, max(max(m.x, m.y), max(m.z, m.w)));
    let shrink = exp(peak - higher);
    peak = higher;
    let weight = exp(score - peak);
    total = fma(shrink, total, weight);
    weights[lane / 4u][lane % 4u] = weight * keep((head * params.queries + row) * params.keys + key);
    workgroupBarrier();
    sum *= shrink;
    // As long as all groups have whole fours, and once more. Put so, since compilers that
    // see how few turns there are write them out, each behind a branch.
    let fours = (min(cover.y - first, LANES) + 3u) / 4u;
    var n = mine;
    var values = starts(V, b, h, first + 4u * n).x / 4u + place;
    for (var end = GROUPS; end < fours; end += GROUPS) {
      sum = onto(sum, weights[n], block(values + vec4(0u, 1u, 2u, 3u) * stride));
      n += GROUPS;
      values += 4u * GROUPS * stride;
    }
    if (n < fours) {
      sum = onto(sum, weights[n], block(starts(V, b, h, first + 4u * n) / 4u + place));
    }
  }
  workgroupBarrier();
  parts[lane] = sum;
  weights[lane / 4u][lane % 4u] = total;
  workgroupBarrier();
  if (lane < 16u) {
    let t = weights[4u * lane] + weights[4u * lane + 1u] + weights[4u * lane + 2u] + weights[4u * lane + 3u];
    sixteenths[lane / 4u][lane % 4u] = t.x + t.y + t.z + t.w;
  }
  workgroupBarrier();
  let t = sixteenths[0] + sixteenths[1] + sixteenths[2] + sixteenths[3];
  let whole = t.x + t.y + t.z + t.w;
  // Of a row that sees nothing, all is zero.
  let empty = whole == 0.0;
  if (lane < FOURS) {
    var out = vec4(0.0);
    for (var g = 0u; g < GROUPS; g++) {
      out += parts[g * FOURS + lane];
    }
    out *= select(1.0 / whole, 0.0, empty);
    result[starts(DOUT, b, h, row).x / 4u + place] = out;
  }
  if (lane == 0u) {
    row_stats[head * params.queries + row].x = select(peak + log(whole), 0.0, empty);
  }
}
