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
