// The matrix product for GPUs whose lanes have few registers: what matmul_block.wgsl
// computes, with half the sums a thread. 16×16 threads compute a tile of 128×64 of C,
// from 16 numbers of k at a time in workgroup memory, and each adds up two blocks of
// 4×4 numbers in registers, by chains of fma.
//
// On Intel's GPUs before Xe2 a lane of 16 has 64 registers. Their compiler leaves a
// number that goes from one turn of a loop to the next in a register of its own through
// the whole turn, and what is computed from it goes to others: sums would take two
// each. But what a branch changes goes back to the same register, so the products of
// each k are in a branch, which guards the end of k as well.

const SIDE = 16u;

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

// shared: product_loads
override ALIGNED: bool = true;  // four numbers along a row of A or B are one load
override LOAD: u32 = select(1u, 4u, ALIGNED);

// What a load brings: vec4<f32> and vec2<u32> where ALIGNED, else f32 and u32. A
// vector made of either is the vector itself or the number in each place.
alias LoadA = vec4<f32>;
alias LoadB = vec2<u32>;

@group(0) @binding(1) var<storage, read> a: array<LoadA>;
@group(0) @binding(2) var<storage, read> b: array<LoadB>;

override A_ALONG: bool = LAYOUT != 2u;  // neighbors in A differ in k
override B_ALONG: bool = LAYOUT == 0u;

// Up to four rows of A or columns of B from `line` on, of `size` in all. Past the edge
// of C they repeat the last one, since nothing is stored for them.
fn inside_lines(line: u32, size: u32) -> vec4<u32> {
  return min(vec4(line) + vec4(0u, 1u, 2u, 3u), vec4(size - 1u));
}

// Where a 4×4 block of A or B lies in memory, counted in loads: number i of its line j
// at lines[j] + next[i]. The lines are rows of A or columns of B where they lie along
// k, else numbers of k.
struct Place {
  lines: vec4<u32>,
  next: vec4<u32>,
}

fn place(along: bool, line: u32, size: u32, k: u32) -> Place {
  let inside = inside_lines(line, size);
  let four = vec4(k) + vec4(0u, 1u, 2u, 3u);
  if (along) {
    return Place(inside * params.k / LOAD, four / LOAD);
  }
  return Place(four * size / LOAD, inside / LOAD);
}

// The place further on in k.
fn ahead(along: bool, p: Place, size: u32, k: u32) -> Place {
  if (along) {
    return Place(p.lines, p.next + k / LOAD);
  }
  return Place(p.lines + k * size / LOAD, p.next);
}

// The place with the last number of k instead of those behind it.
fn before_end(along: bool, p: Place, size: u32) -> Place {
  let last = params.k - 1u;
  if (along) {
    return Place(p.lines, min(p.next, vec4(last / LOAD)));
  }
  return Place(min(p.lines, vec4(last * size / LOAD)), p.next);
}

fn a_one(i: u32) -> f32 {
  if (ALIGNED) {
    return vec4<f32>(a[i / 4u])[i % 4u];
  }
  return vec4<f32>(a[i]).x;
}

fn b_one(i: u32) -> f32 {
  let word = word_of(i);
  if (ALIGNED) {
    return stored(vec2<u32>(b[word / 2u])[word % 2u], i);
  }
  return stored(vec2<u32>(b[word]).x, i);
}

fn a_four(line: u32, next: vec4<u32>) -> vec4<f32> {
  if (ALIGNED) {
    return vec4<f32>(a[line + next.x]);
  }
  let i = line + next;
  return vec4(a_one(i.x), a_one(i.y), a_one(i.z), a_one(i.w));
}

fn b_four(line: u32, next: vec4<u32>) -> vec4<f32> {
  if (!ALIGNED) {
    let i = line + next;
    return vec4(b_one(i.x), b_one(i.y), b_one(i.z), b_one(i.w));
  }
  let four = line + next.x;
  if (STORAGE == 0u) {
    return vec4(bitcast<vec2<f32>>(vec2<u32>(b[2u * four])), bitcast<vec2<f32>>(vec2<u32>(b[2u * four + 1u])));
  }
  let w = vec2<u32>(b[four]);
  if (STORAGE == 1u) {
    return vec4(unpack2x16float(w.x), unpack2x16float(w.y));
  }
  return bitcast<vec4<f32>>(vec4(w.x << 16u, w.x & 0xffff0000u, w.y << 16u, w.y & 0xffff0000u));
}

// Blocks of A and B, a column for each number of k.

fn a_block(p: Place) -> mat4x4<f32> {
  let m = mat4x4(a_four(p.lines.x, p.next), a_four(p.lines.y, p.next), a_four(p.lines.z, p.next), a_four(p.lines.w, p.next));
  if (A_ALONG) {
    return transpose(m);
  }
  return m;
}

fn b_block(p: Place) -> mat4x4<f32> {
  let m = mat4x4(b_four(p.lines.x, p.next), b_four(p.lines.y, p.next), b_four(p.lines.z, p.next), b_four(p.lines.w, p.next));
  if (B_ALONG) {
    return transpose(m);
  }
  return m;
}
// end shared

// shared: product_sums
// The sums, by name so that they stay in registers: sQR is row R of block Q. Blocks
// are counted along rows.
var<private> s00: vec4<f32>;
var<private> s01: vec4<f32>;
var<private> s02: vec4<f32>;
var<private> s03: vec4<f32>;
var<private> s10: vec4<f32>;
var<private> s11: vec4<f32>;
var<private> s12: vec4<f32>;
var<private> s13: vec4<f32>;
var<private> s20: vec4<f32>;
var<private> s21: vec4<f32>;
var<private> s22: vec4<f32>;
var<private> s23: vec4<f32>;
var<private> s30: vec4<f32>;
var<private> s31: vec4<f32>;
var<private> s32: vec4<f32>;
var<private> s33: vec4<f32>;

// Add the products of four rows of A and four columns of B at one k.

fn add0(x: vec4<f32>, y: vec4<f32>) {
  s00 = fma(vec4(x.x), y, s00);
  s01 = fma(vec4(x.y), y, s01);
  s02 = fma(vec4(x.z), y, s02);
  s03 = fma(vec4(x.w), y, s03);
}

fn add1(x: vec4<f32>, y: vec4<f32>) {
  s10 = fma(vec4(x.x), y, s10);
  s11 = fma(vec4(x.y), y, s11);
  s12 = fma(vec4(x.z), y, s12);
  s13 = fma(vec4(x.w), y, s13);
}

fn add2(x: vec4<f32>, y: vec4<f32>) {
  s20 = fma(vec4(x.x), y, s20);
  s21 = fma(vec4(x.y), y, s21);
  s22 = fma(vec4(x.z), y, s22);
  s23 = fma(vec4(x.w), y, s23);
}

fn add3(x: vec4<f32>, y: vec4<f32>) {
  s30 = fma(vec4(x.x), y, s30);
  s31 = fma(vec4(x.y), y, s31);
  s32 = fma(vec4(x.z), y, s32);
  s33 = fma(vec4(x.w), y, s33);
}
// end shared

// For each of 16 numbers of k, in fours: fours of neighbors of a workgroup's rows of A,
// in two strips, then those of its columns of B. Loads of four numbers along k store
// single ones here; to load four neighbors is one instruction all the same. One four
// more than there are lets threads that store at once meet different banks.
const STRIP = 16u;
var<workgroup> parts: array<array<array<array<f32, 4>, 3u * STRIP + 1u>, 4>, 4>;

// Four numbers of a row of A along k, or of a row of A as it lies where that is [k, m].
fn a_four_at(row: u32, k: u32) -> vec4<f32> {
  let p = before_end(A_ALONG, place(A_ALONG, row, params.m, k), params.m);
  return a_four(p.lines.x, p.next);
}

fn b_four_at(col: u32, k: u32) -> vec4<f32> {
  let p = before_end(B_ALONG, place(B_ALONG, col, params.n, k), params.n);
  return b_four(p.lines.x, p.next);
}

// The line and the k, within a strip and a step, from which on a thread loads four
// numbers.
struct Share {
  line: u32,
  k: u32,
}

fn share_of(lane: u32, along: bool) -> Share {
  if (along) {
    return Share(lane / 4u, 4u * (lane % 4u));
  }
  return Share(4u * (lane % 16u), lane / 16u);
}

fn bring(s: Share, along: bool, strip: u32, v: vec4<f32>) {
  let slot = STRIP * strip + s.line / 4u;
  if (along) {
    let place = s.line % 4u;
    parts[s.k / 4u][0][slot][place] = v.x;
    parts[s.k / 4u][1][slot][place] = v.y;
    parts[s.k / 4u][2][slot][place] = v.z;
    parts[s.k / 4u][3][slot][place] = v.w;
  } else {
    parts[s.k / 4u][s.k % 4u][slot] = array<f32, 4>(v.x, v.y, v.z, v.w);
  }
}

fn part(four: u32, k: u32, slot: u32) -> vec4<f32> {
  return vec4(parts[four][k][slot][0], parts[four][k][slot][1], parts[four][k][slot][2], parts[four][k][slot][3]);
}

// What the products of one k begin with.
struct First {
  a: vec4<f32>,
  b: vec4<f32>,
}

fn first(four: u32, k: u32, y: u32, x: u32) -> First {
  return First(part(four, k, y), part(four, k, x));
}

fn add_one(inside: bool, f: First, a1: vec4<f32>) {
  if (inside) {
    add0(f.a, f.b);
    add1(a1, f.b);
  }
}

// Adds the products of four k, of which `rest` are inside, and returns what the next
// four begin with: loads lie before the products of the k before.
fn add_four(four: u32, rest: u32, f0: First, y: u32, x: u32) -> First {
  let k = 4u * four;
  let a0 = part(four, 0u, y + STRIP);
  let f1 = first(four, 1u, y, x);
  add_one(k < rest, f0, a0);
  let a1 = part(four, 1u, y + STRIP);
  let f2 = first(four, 2u, y, x);
  add_one(k + 1u < rest, f1, a1);
  let a2 = part(four, 2u, y + STRIP);
  let f3 = first(four, 3u, y, x);
  add_one(k + 2u < rest, f2, a2);
  let a3 = part(four, 3u, y + STRIP);
  let f4 = first((four + 1u) % 4u, 0u, y, x);
  add_one(k + 3u < rest, f3, a3);
  return f4;
}

fn light(t: Thread) {
  let row = 8u * SIDE * t.group.y;
  let col = 4u * SIDE * t.group.x;
  for (var rest = params.k; rest > 0u; rest -= min(rest, 16u)) {
    let k = params.k - rest;
    let of_a = share_of(t.lane, A_ALONG);
    let of_b = share_of(t.lane, B_ALONG);
    let a0 = a_four_at(row + of_a.line, k + of_a.k);
    let a1 = a_four_at(row + 4u * SIDE + of_a.line, k + of_a.k);
    let b0 = b_four_at(col + of_b.line, k + of_b.k);
    workgroupBarrier();
    bring(of_a, A_ALONG, 0u, a0);
    bring(of_a, A_ALONG, 1u, a1);
    bring(of_b, B_ALONG, 2u, b0);
    workgroupBarrier();
    let y = t.lane / SIDE;
    let x = t.lane % SIDE + 2u * STRIP;
    let f4 = add_four(0u, rest, first(0u, 0u, y, x), y, x);
    let f8 = add_four(1u, rest, f4, y, x);
    let f12 = add_four(2u, rest, f8, y, x);
    _ = add_four(3u, rest, f12, y, x).b;
  }
  wide = 1u;
  top = row + 4u * (t.lane / SIDE);
  left = col + 4u * (t.lane % SIDE);
  down = 4u * SIDE;
}

fn block0() -> mat4x4<f32> { return mat4x4(s00, s01, s02, s03); }
fn block1() -> mat4x4<f32> { return mat4x4(s10, s11, s12, s13); }

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

@compute @workgroup_size(SIDE * SIDE)
fn light_plain(t: Thread) {
  _ = &residual;
  light(t);
  plain(0u, block0());
  plain(1u, block1());
}

@compute @workgroup_size(SIDE * SIDE)
fn light_relu(t: Thread) {
  _ = &residual;
  light(t);
  relu(0u, block0());
  relu(1u, block1());
}

@compute @workgroup_size(SIDE * SIDE)
fn light_residual(t: Thread) {
  light(t);
  add_residual(0u, block0());
  add_residual(1u, block1());
}

@compute @workgroup_size(SIDE * SIDE)
fn light_gated(t: Thread) {
  _ = &residual;
  light(t);
  gated(0u, block0());
  gated(1u, block1());
}

@compute @workgroup_size(SIDE * SIDE)
fn light_gated_pre(t: Thread) {
  light(t);
  gated_pre(0u, block0());
  gated_pre(1u, block1());
}
