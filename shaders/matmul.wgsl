// The matrix product C = scale·A·B + plus with float32 arithmetic, and what is
// done with an element before it is stored:
//
//   plain      out = C, or out + C
//   relu       out = keep·max(0, C)
//   gated      out[i, j] = keep·gelu(C[i, 2j])·C[i, 2j+1]
//   gated_pre  the same, and pre = C
//   residual   out = residual + keep·C, or what PASSES says
//
// C and plus are [m, n]. A and B lie as LAYOUT says. Results are blocks of 4×4
// numbers held as a mat4x4, whose columns are the rows of C. Two kernels for
// software adapters share that; those for GPUs lie in matmul_block.wgsl,
// matmul_thin.wgsl and matmul_cooperative.wgsl.
//
//   tile   where a load costs as much as dozens of multiply-adds and a barrier far
//          more: a thread keeps 16×16 of C in registers and needs no other thread.
//          The block of C of some rows and columns is the sum over k, four at a
//          time, of b_block · a_block.
//   few    for up to four rows: the threads of a workgroup share the columns
//          and split k.

override LANES: u32 = 8u;       // threads in a workgroup of `few`

// shared: product
override LAYOUT: u32 = 0u;  // 0: A [m,k], B [n,k]; 1: A [m,k], B [k,n]; 2: A [k,m], B [k,n]

struct Params {
  m: u32,
  n: u32,
  k: u32,
  scale: f32,
  accumulate: u32,  // plain adds to out
  add_plus: u32,    // 0: C = scale·A·B
  across: u32,      // tile: how many of a workgroup's 8 threads lie side by side
  site: u32,
  threshold: u32,
  keep_scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

struct Thread {
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
}

@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> pre: array<f32>;
@group(0) @binding(5) var<storage, read> plus: array<f32>;
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
// shared: storage
// How weights lie in memory. Two halves share a word, the lower index below, and a
// row may begin in the middle of one.
override STORAGE: u32 = 0u;  // 0: float32, 1: float16, 2: bfloat16

// The word in which number i lies.
fn word_of(i: u32) -> u32 {
  return select(i / 2u, i, STORAGE == 0u);
}

// Number i, out of that word.
fn stored(word: u32, i: u32) -> f32 {
  if (STORAGE == 0u) {
    return bitcast<f32>(word);
  }
  if (STORAGE == 1u) {
    return unpack2x16float(word)[i & 1u];
  }
  return bitcast<f32>(select(word << 16u, word & 0xffff0000u, (i & 1u) == 1u));
}
// end shared

// shared: product_blocks
override ALIGNED: bool = true;  // four numbers along a row of A or B are one load

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec2<u32>>;

// Loads. Rows and columns past the edge repeat the last one, since nothing is
// stored for them. Past the end of k, A counts as zero and B repeats.

fn a_at(row: u32, k: u32) -> f32 {
  let r = min(row, params.m - 1u);
  let q = min(k, params.k - 1u);
  var i = r * params.k + q;
  if (LAYOUT == 2u) {
    i = q * params.m + r;
  }
  return select(0.0, a[i >> 2u][i & 3u], k < params.k);
}

fn b_at(k: u32, col: u32) -> f32 {
  let q = min(k, params.k - 1u);
  let j = min(col, params.n - 1u);
  var i = q * params.n + j;
  if (LAYOUT == 0u) {
    i = j * params.k + q;
  }
  let word = word_of(i);
  return stored(b[word >> 1u][word & 1u], i);
}

// Four numbers of B from index i, a multiple of 4.
fn b_four(i: u32) -> vec4<f32> {
  if (STORAGE == 0u) {
    return vec4<f32>(bitcast<vec2<f32>>(b[i >> 1u]), bitcast<vec2<f32>>(b[(i >> 1u) + 1u]));
  }
  let w = b[i >> 2u];
  if (STORAGE == 1u) {
    return vec4<f32>(unpack2x16float(w.x), unpack2x16float(w.y));
  }
  return bitcast<vec4<f32>>(vec4<u32>(w.x << 16u, w.x & 0xffff0000u, w.y << 16u, w.y & 0xffff0000u));
}

fn a_across(row: u32, k: u32) -> vec4<f32> {
  if (ALIGNED) {
    return a[(min(row, params.m - 1u) * params.k + k) >> 2u];
  }
  return vec4<f32>(a_at(row, k), a_at(row, k + 1u), a_at(row, k + 2u), a_at(row, k + 3u));
}

fn a_down(row: u32, k: u32) -> vec4<f32> {
  if (ALIGNED) {
    let four = a[(min(k, params.k - 1u) * params.m + min(row, params.m - 4u)) >> 2u];
    return select(vec4<f32>(), four, k < params.k);
  }
  return vec4<f32>(a_at(row, k), a_at(row + 1u, k), a_at(row + 2u, k), a_at(row + 3u, k));
}

fn b_down(k: u32, col: u32) -> vec4<f32> {
  if (ALIGNED) {
    return b_four(min(col, params.n - 1u) * params.k + k);
  }
  return vec4<f32>(b_at(k, col), b_at(k + 1u, col), b_at(k + 2u, col), b_at(k + 3u, col));
}

fn b_across(k: u32, col: u32) -> vec4<f32> {
  if (ALIGNED) {
    return b_four(min(k, params.k - 1u) * params.n + min(col, params.n - 4u));
  }
  return vec4<f32>(b_at(k, col), b_at(k, col + 1u), b_at(k, col + 2u), b_at(k, col + 3u));
}

// Column i of the result is row `row + i` of A, k to k+3.
fn a_block(row: u32, k: u32) -> mat4x4<f32> {
  if (LAYOUT == 2u) {
    return transpose(mat4x4<f32>(a_down(row, k), a_down(row, k + 1u), a_down(row, k + 2u), a_down(row, k + 3u)));
  }
  return mat4x4<f32>(a_across(row, k), a_across(row + 1u, k), a_across(row + 2u, k), a_across(row + 3u, k));
}

// Column i of the result is row k+i of B, columns `col` to `col + 3`.
fn b_block(k: u32, col: u32) -> mat4x4<f32> {
  if (LAYOUT == 0u) {
    return transpose(mat4x4<f32>(b_down(k, col), b_down(k, col + 1u), b_down(k, col + 2u), b_down(k, col + 3u)));
  }
  return mat4x4<f32>(b_across(k, col), b_across(k + 1u, col), b_across(k + 2u, col), b_across(k + 3u, col));
}
// end shared

// The blocks of C that a thread computes. Column i of a block is its row i.
var<private> c: array<mat4x4<f32>, 16>;
var<private> blocks: u32;

fn tile(t: Thread) {
  top = 16u * (t.group.y * (8u / params.across) + t.lane / params.across);
  left = 16u * (t.group.x * params.across + t.lane % params.across);
  if (top >= params.m || left >= params.n) {
    return;
  }
  // Written out and indexed by constants, the sums stay in registers.
  var s: array<mat4x4<f32>, 16>;
  for (var k = 0u; k < params.k; k += 4u) {
    let a0 = a_block(top, k);
    let a1 = a_block(top + 4u, k);
    let a2 = a_block(top + 8u, k);
    let a3 = a_block(top + 12u, k);
    let b0 = b_block(k, left);
    s[0] += b0 * a0;
    s[4] += b0 * a1;
    s[8] += b0 * a2;
    s[12] += b0 * a3;
    let b1 = b_block(k, left + 4u);
    s[1] += b1 * a0;
    s[5] += b1 * a1;
    s[9] += b1 * a2;
    s[13] += b1 * a3;
    let b2 = b_block(k, left + 8u);
    s[2] += b2 * a0;
    s[6] += b2 * a1;
    s[10] += b2 * a2;
    s[14] += b2 * a3;
    let b3 = b_block(k, left + 12u);
    s[3] += b3 * a0;
    s[7] += b3 * a1;
    s[11] += b3 * a2;
    s[15] += b3 * a3;
  }
  c = s;
  blocks = 16u;
  wide = 4u;
}

var<workgroup> partial: array<array<mat4x4<f32>, 4>, LANES>;

fn few(t: Thread) {
  top = 4u * t.group.y;
  left = 16u * t.group.x;
  var s: array<mat4x4<f32>, 4>;
  for (var k = 4u * t.lane; k < params.k; k += 4u * LANES) {
    let a0 = a_block(top, k);
    s[0] += b_block(k, left) * a0;
    s[1] += b_block(k, left + 4u) * a0;
    s[2] += b_block(k, left + 8u) * a0;
    s[3] += b_block(k, left + 12u) * a0;
  }
  partial[t.lane] = s;
  workgroupBarrier();
  // Four threads add up and store a block each; the others find nothing to store.
  left = select(params.n, left + 4u * t.lane, t.lane < 4u);
  var sum = mat4x4<f32>();
  for (var i = 0u; i < LANES; i++) {
    sum += partial[i][t.lane % 4u];
  }
  c[0] = sum;
  blocks = 1u;
  wide = 1u;
}

// Block i of c. An index into registers that is no constant takes lavapipe's compiler
// seconds; choosing takes it nothing.
fn nth(i: u32) -> mat4x4<f32> {
  switch (i) {
    case 0u: { return c[0]; }
    case 1u: { return c[1]; }
    case 2u: { return c[2]; }
    case 3u: { return c[3]; }
    case 4u: { return c[4]; }
    case 5u: { return c[5]; }
    case 6u: { return c[6]; }
    case 7u: { return c[7]; }
    case 8u: { return c[8]; }
    case 9u: { return c[9]; }
    case 10u: { return c[10]; }
    case 11u: { return c[11]; }
    case 12u: { return c[12]; }
    case 13u: { return c[13]; }
    case 14u: { return c[14]; }
    default: { return c[15]; }
  }
}

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

// shared: ends
// The ends of a product, on neighbors z of its row. `at` is the index in out of
// the first number that comes out.
fn keep_four(at: u32) -> vec4<f32> {
  return vec4(keep(at), keep(at + 1u), keep(at + 2u), keep(at + 3u));
}

fn relu_end(z: vec4<f32>, at: u32) -> vec4<f32> {
  return keep_four(at) * max(z, vec4(0.0));
}

fn residual_end(z: vec4<f32>, residual: vec4<f32>, at: u32) -> vec4<f32> {
  return residual + keep_four(at) * z;
}

// 0.5·x·(1 + tanh(u)) = x / (1 + exp(-2u)), u = √(2/π)·(x + 0.044715·x³). The
// clamp keeps exp finite.
fn gelu(x: vec2<f32>) -> vec2<f32> {
  let u = clamp(0.7978845608028654 * (x + 0.044715 * x * x * x), vec2(-40.0), vec2(40.0));
  return x / (1.0 + exp(-2.0 * u));
}

fn gated_end(z: vec4<f32>, at: u32) -> vec2<f32> {
  return vec2(keep(at), keep(at + 1u)) * gelu(z.xz) * z.yw;
}

// Their gradients, of relu from what came out and of gated from the z that went in:
// see ends.wgsl.
fn relu_end_grad(dout: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
  return select(vec4(0.0), params.keep_scale * dout, y > vec4(0.0));
}

fn gated_end_grad(dout: vec2<f32>, z: vec4<f32>, at: u32) -> vec4<f32> {
  let g = z.xz;
  let l = z.yw;
  let d = vec2(keep(at), keep(at + 1u)) * dout;
  // √(2/π) is 0.7978845608. Past ±80 σ is 0 or 1 to float32, and exp stays finite.
  let u = 0.7978845608 * g * (1.0 + 0.044715 * g * g);
  let du = 0.7978845608 * (1.0 + 0.134145 * g * g);
  let e = exp(clamp(-2.0 * u, vec2(-80.0), vec2(80.0)));
  let s = 1.0 / (1.0 + e);
  let dg = d * l * (s + 2.0 * g * du * s * (e * s));
  let dl = d * g * s;
  return vec4(dg.x, dl.x, dg.y, dl.y);
}
// end shared

// shared: product_ends
// residual: C is the gradient of what an end made, and passes that on. Binding 4 holds
// for 1, relu, what that made, [m, n]; for 2, gated, what it was applied to, [m, 2n],
// which out is like then.
override PASSES: u32 = 0u;

// Where the blocks of C that a thread stores lie: `wide` of them side by side, from
// row `top` and column `left`; `down` rows and `aside` columns from one to the next.
var<private> wide: u32;
var<private> top: u32;
var<private> left: u32;
var<private> down: u32 = 4u;
var<private> aside: u32 = 4u;

// A row of a block of C, which lies at index `at`.
fn row_at(at: u32, row: vec4<f32>) -> vec4<f32> {
  let v = params.scale * row;
  if (params.add_plus == 0u) {
    return v;
  }
  return v + vec4<f32>(plus[at], plus[at + 1u], plus[at + 2u], plus[at + 3u]);
}

// Where row r of block i lies in C, and how many of its four columns are inside.
fn index_of(i: u32, r: u32) -> u32 {
  return (top + down * (i / wide) + r) * params.n + left + aside * (i % wide);
}

fn inside(i: u32, r: u32) -> u32 {
  let col = min(left + aside * (i % wide), params.n);
  return select(0u, min(4u, params.n - col), top + down * (i / wide) + r < params.m);
}

fn put(at: u32, count: u32, v: vec4<f32>) {
  if (count > 0u) { out[at] = v.x; }
  if (count > 1u) { out[at + 1u] = v.y; }
  if (count > 2u) { out[at + 2u] = v.z; }
  if (count > 3u) { out[at + 3u] = v.w; }
}

fn put_pre(at: u32, count: u32, v: vec4<f32>) {
  if (count > 0u) { pre[at] = v.x; }
  if (count > 1u) { pre[at + 1u] = v.y; }
  if (count > 2u) { pre[at + 2u] = v.z; }
  if (count > 3u) { pre[at + 3u] = v.w; }
}

// The ends of row r of block i. All use bindings 4 and 5, so that every call binds
// alike.

fn plain_row(i: u32, r: u32, row: vec4<f32>) {
  let at = index_of(i, r);
  var v = row_at(at, row);
  if (params.accumulate != 0u) {
    v += vec4<f32>(out[at], out[at + 1u], out[at + 2u], out[at + 3u]);
  }
  put(at, inside(i, r), v);
}

fn relu_row(i: u32, r: u32, row: vec4<f32>) {
  let at = index_of(i, r);
  put(at, inside(i, r), relu_end(row_at(at, row), at));
}

// Four numbers at binding 4.
fn fourth(at: u32) -> vec4<f32> {
  return vec4<f32>(residual[at], residual[at + 1u], residual[at + 2u], residual[at + 3u]);
}

fn residual_row(i: u32, r: u32, row: vec4<f32>) {
  let at = index_of(i, r);
  let count = inside(i, r);
  let v = row_at(at, row);
  if (PASSES == 0u) {
    put(at, count, residual_end(v, fourth(at), at));
  } else if (PASSES == 1u) {
    put(at, count, relu_end_grad(v, fourth(at)));
  } else {
    put(2u * at, min(2u * count, 4u), gated_end_grad(v.xy, fourth(2u * at), at));
    put(2u * at + 4u, max(2u * count, 4u) - 4u, gated_end_grad(v.zw, fourth(2u * at + 4u), at + 2u));
  }
}

fn gated_row(i: u32, r: u32, row: vec4<f32>) {
  let at = index_of(i, r);
  let half = at / 2u;
  put(half, inside(i, r) / 2u, vec4<f32>(gated_end(row_at(at, row), half), 0.0, 0.0));
}

fn pre_row(i: u32, r: u32, row: vec4<f32>) {
  let at = index_of(i, r);
  put_pre(at, inside(i, r), row_at(at, row));
}

// The ends of a block.

fn plain(i: u32, q: mat4x4<f32>) {
  plain_row(i, 0u, q[0]);
  plain_row(i, 1u, q[1]);
  plain_row(i, 2u, q[2]);
  plain_row(i, 3u, q[3]);
}

fn relu(i: u32, q: mat4x4<f32>) {
  relu_row(i, 0u, q[0]);
  relu_row(i, 1u, q[1]);
  relu_row(i, 2u, q[2]);
  relu_row(i, 3u, q[3]);
}

fn add_residual(i: u32, q: mat4x4<f32>) {
  residual_row(i, 0u, q[0]);
  residual_row(i, 1u, q[1]);
  residual_row(i, 2u, q[2]);
  residual_row(i, 3u, q[3]);
}

fn gated(i: u32, q: mat4x4<f32>) {
  gated_row(i, 0u, q[0]);
  gated_row(i, 1u, q[1]);
  gated_row(i, 2u, q[2]);
  gated_row(i, 3u, q[3]);
}

fn gated_pre(i: u32, q: mat4x4<f32>) {
  gated(i, q);
  pre_row(i, 0u, q[0]);
  pre_row(i, 1u, q[1]);
  pre_row(i, 2u, q[2]);
  pre_row(i, 3u, q[3]);
}
// end shared

@compute @workgroup_size(8)
fn tile_plain(t: Thread) {
  _ = &residual;
  tile(t);
  for (var i = 0u; i < blocks; i++) {
    plain(i, nth(i));
  }
}

@compute @workgroup_size(8)
fn tile_relu(t: Thread) {
  _ = &residual;
  tile(t);
  for (var i = 0u; i < blocks; i++) {
    relu(i, nth(i));
  }
}

@compute @workgroup_size(8)
fn tile_residual(t: Thread) {
  tile(t);
  for (var i = 0u; i < blocks; i++) {
    add_residual(i, nth(i));
  }
}

@compute @workgroup_size(8)
fn tile_gated(t: Thread) {
  _ = &residual;
  tile(t);
  for (var i = 0u; i < blocks; i++) {
    gated(i, nth(i));
  }
}

@compute @workgroup_size(8)
fn tile_gated_pre(t: Thread) {
  tile(t);
  for (var i = 0u; i < blocks; i++) {
    gated_pre(i, nth(i));
  }
}

@compute @workgroup_size(LANES)
fn few_plain(t: Thread) {
  _ = &residual;
  few(t);
  plain(0u, c[0]);
}

@compute @workgroup_size(LANES)
fn few_relu(t: Thread) {
  _ = &residual;
  few(t);
  relu(0u, c[0]);
}

@compute @workgroup_size(LANES)
fn few_residual(t: Thread) {
  few(t);
  add_residual(0u, c[0]);
}

@compute @workgroup_size(LANES)
fn few_gated(t: Thread) {
  _ = &residual;
  few(t);
  gated(0u, c[0]);
}

@compute @workgroup_size(LANES)
fn few_gated_pre(t: Thread) {
  few(t);
  gated_pre(0u, c[0]);
}
