enable f16;
enable wgpu_cooperative_matrix;

// The matrix product on cooperative matrices: what matmul.wgsl computes, with A and B
// rounded to half precision and sums in float32. The threads of a subgroup hold
// matrices of 16×16 together, whose product is one instruction.
//
// UP·ACROSS subgroups of LANES threads compute a tile of C, 32×32 each: 2×2 matrices,
// from STEP numbers of k at a time in workgroup memory, in which numbers of k are
// neighbors whatever the layout. C goes through workgroup memory to the ends.
//
// Compilers want each index of a matrix in a constant of its own, and no arrays of
// matrices. Subgroup operations beside them have crashed a driver.

override LANES: u32 = 32u;
override UP: u32 = 2u;
override ACROSS: u32 = 2u;

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

const STEP: u32 = 32u;
override ROWS: u32 = 32u * UP;      // of a tile
override COLS: u32 = 32u * ACROSS;
override THREADS: u32 = LANES * UP * ACROSS;

// Rows of A and columns of B, LINE numbers each, of which STEP are used: eight more
// keep neighbors in other banks.
const LINE: u32 = STEP + 8u;
var<workgroup> a_part: array<f16, ROWS * LINE>;
var<workgroup> b_part: array<f16, COLS * LINE>;
var<workgroup> c_part: array<f32, ROWS * COLS>;

// The 4×4 block that a thread brings, of `lines` rows or columns of C in all: the first
// of its lines and of its numbers of k.
fn share(along: bool, lane: u32, lines: u32) -> vec2<u32> {
  if (along) {
    return 4u * vec2(lane / (STEP / 4u), lane % (STEP / 4u));
  }
  return 4u * vec2(lane % (lines / 4u), lane / (lines / 4u));
}

fn bring_a(at: u32, line: vec4<f32>) {
  let h = vec4<f16>(line);
  a_part[at] = h.x;
  a_part[at + 1u] = h.y;
  a_part[at + 2u] = h.z;
  a_part[at + 3u] = h.w;
}

fn bring_b(at: u32, line: vec4<f32>) {
  let h = vec4<f16>(line);
  b_part[at] = h.x;
  b_part[at + 1u] = h.y;
  b_part[at + 2u] = h.z;
  b_part[at + 3u] = h.w;
}

alias Sums = coop_mat16x16<f32, C>;

// Adds the products of 16 numbers of k from k on, for 32×32 numbers of the tile from
// row `up` and column `across` on.
fn multiply(k: u32, up: u32, across: u32, c00: ptr<function, Sums>, c01: ptr<function, Sums>, c10: ptr<function, Sums>, c11: ptr<function, Sums>) {
  let line = LINE;
  let a0_at = up * LINE + k;
  let a1_at = (up + 16u) * LINE + k;
  let b0_at = across * LINE + k;
  let b1_at = (across + 16u) * LINE + k;
  let a0 = coopLoadT<coop_mat16x16<f16, A>>(&a_part[a0_at], line);
  let a1 = coopLoadT<coop_mat16x16<f16, A>>(&a_part[a1_at], line);
  let b0 = coopLoad<coop_mat16x16<f16, B>>(&b_part[b0_at], line);
  let b1 = coopLoad<coop_mat16x16<f16, B>>(&b_part[b1_at], line);
  *c00 = coopMultiplyAdd(a0, b0, *c00);
  *c01 = coopMultiplyAdd(a0, b1, *c01);
  *c10 = coopMultiplyAdd(a1, b0, *c10);
  *c11 = coopMultiplyAdd(a1, b1, *c11);
}

// Leaves the tile of C in c_part.
fn cooperative(t: Thread) {
  let row = ROWS * t.group.y;
  let col = COLS * t.group.x;
  let of_a = share(A_ALONG, t.lane, ROWS);
  let of_b = share(B_ALONG, t.lane, COLS);
  let a_start = place(A_ALONG, row + of_a.x, params.m, of_a.y);
  let b_start = place(B_ALONG, col + of_b.x, params.n, of_b.y);
  let a_to = of_a.x * LINE + of_a.y;
  let b_to = of_b.x * LINE + of_b.y;
  let subgroup = t.lane / LANES;
  let up = 32u * (subgroup / ACROSS);
  let across = 32u * (subgroup % ACROSS);
  var c00 = Sums();
  var c01 = Sums();
  var c10 = Sums();
  var c11 = Sums();
  for (var k = 0u; k < params.k; k += STEP) {
    workgroupBarrier();
    if (t.lane < ROWS * STEP / 16u) {
      let rows = transpose(a_block(before_end(A_ALONG, ahead(A_ALONG, a_start, params.m, k), params.m)));
      bring_a(a_to, rows[0]);
      bring_a(a_to + LINE, rows[1]);
      bring_a(a_to + 2u * LINE, rows[2]);
      bring_a(a_to + 3u * LINE, rows[3]);
    }
    if (t.lane < COLS * STEP / 16u) {
      let cols = transpose(b_block(before_end(B_ALONG, ahead(B_ALONG, b_start, params.n, k), params.n)));
      bring_b(b_to, cols[0]);
      bring_b(b_to + LINE, cols[1]);
      bring_b(b_to + 2u * LINE, cols[2]);
      bring_b(b_to + 3u * LINE, cols[3]);
    }
    workgroupBarrier();
    if (k + STEP > params.k) {
      // Past the end of k, A counts as zero.
      let rest = params.k - k;
      for (var i = t.lane; i < ROWS * (STEP - rest); i += THREADS) {
        a_part[i % ROWS * LINE + rest + i / ROWS] = f16();
      }
      workgroupBarrier();
    }
    multiply(0u, up, across, &c00, &c01, &c10, &c11);
    multiply(16u, up, across, &c00, &c01, &c10, &c11);
  }
  let width = COLS;
  let c00_at = up * COLS + across;
  let c01_at = c00_at + 16u;
  let c10_at = c00_at + 16u * COLS;
  let c11_at = c10_at + 16u;
  coopStoreT(c00, &c_part[c00_at], width);
  coopStoreT(c01, &c_part[c01_at], width);
  coopStoreT(c10, &c_part[c10_at], width);
  coopStoreT(c11, &c_part[c11_at], width);
  workgroupBarrier();
}

// Four neighbors of the tile, where C has them.
fn sums(t: Thread, i: u32) -> vec4<f32> {
  let at = 4u * i;
  top = ROWS * t.group.y + at / COLS;
  left = COLS * t.group.x + at % COLS;
  wide = 1u;
  return vec4(c_part[at], c_part[at + 1u], c_part[at + 2u], c_part[at + 3u]);
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

@compute @workgroup_size(THREADS)
fn cooperative_plain(t: Thread) {
  _ = &residual;
  cooperative(t);
  for (var i = t.lane; i < ROWS * COLS / 4u; i += THREADS) {
    let v = sums(t, i);
    plain_row(0u, 0u, v);
  }
}

@compute @workgroup_size(THREADS)
fn cooperative_relu(t: Thread) {
  _ = &residual;
  cooperative(t);
  for (var i = t.lane; i < ROWS * COLS / 4u; i += THREADS) {
    let v = sums(t, i);
    relu_row(0u, 0u, v);
  }
}

@compute @workgroup_size(THREADS)
fn cooperative_residual(t: Thread) {
  cooperative(t);
  for (var i = t.lane; i < ROWS * COLS / 4u; i += THREADS) {
    let v = sums(t, i);
    residual_row(0u, 0u, v);
  }
}

@compute @workgroup_size(THREADS)
fn cooperative_gated(t: Thread) {
  _ = &residual;
  cooperative(t);
  for (var i = t.lane; i < ROWS * COLS / 4u; i += THREADS) {
    let v = sums(t, i);
    gated_row(0u, 0u, v);
  }
}

@compute @workgroup_size(THREADS)
fn cooperative_gated_pre(t: Thread) {
  cooperative(t);
  for (var i = t.lane; i < ROWS * COLS / 4u; i += THREADS) {
    let v = sums(t, i);
    gated_row(0u, 0u, v);
    pre_row(0u, 0u, v);
  }
}
