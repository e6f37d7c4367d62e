// The matrix product for products that fill a GPU: what matmul.wgsl computes, with
// float32 arithmetic. SIDE×SIDE threads compute a tile of C, from 16 numbers of k at a
// time in workgroup memory. A thread adds up 2×2 blocks of 4×4 numbers in registers, by
// chains of fma. What bounds a GPU there are the loads from workgroup memory; so each
// serves 16 multiply-adds. (To hand the numbers of A on in a subgroup saves two of five
// loads, and costs more instructions than it saves.)
//
// Where C has few tiles, SPLIT such squares of threads each take other numbers of k,
// and their sums are added up in the end, in an order that depends on the sizes alone.

override SIDE: u32 = 16u;
override SPLIT: u32 = 1u;       // more than one with SIDE 8

// Four numbers in workgroup memory: vec4<f32> or vec4<f16>.
alias Part = vec4<f32>;

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

// For each of 16 numbers of k: vectors of four neighbors of a workgroup's rows of A in
// two strips, then those of its columns of B in two. The place of a vector in its
// strip is xor'ed with half of k, so that threads that store at once meet different
// banks. Indexes are constants wherever they can be: the others are checked against
// the bounds.
var<workgroup> parts: array<array<array<array<Part, SIDE>, 4>, 16>, SPLIT>;

// A 4×4 block of A or B that a thread brings there at each step.
struct Share {
  start: Place,
  square: u32,  // where it goes
  k: u32,
  strip: u32,
  slot: u32,
}

fn share_of(i: u32, along: bool, line: u32, size: u32, strip: u32) -> Share {
  let k = 4u * (i % (4u * SPLIT));
  let four = i / (4u * SPLIT);
  let slot = (four % SIDE) ^ ((k % 16u) / 2u);
  return Share(place(along, line + 4u * four, size, k), k / 16u, k % 16u, strip + four / SIDE, slot);
}

fn a_share(s: Share, k: u32) -> mat4x4<f32> {
  return a_block(before_end(A_ALONG, ahead(A_ALONG, s.start, params.m, k), params.m));
}

fn b_share(s: Share, k: u32) -> mat4x4<f32> {
  return b_block(before_end(B_ALONG, ahead(B_ALONG, s.start, params.n, k), params.n));
}

fn bring(s: Share, block: mat4x4<f32>) {
  parts[s.square][s.k][s.strip][s.slot] = Part(block[0]);
  parts[s.square][s.k + 1u][s.strip][s.slot] = Part(block[1]);
  parts[s.square][s.k + 2u][s.strip][s.slot] = Part(block[2]);
  parts[s.square][s.k + 3u][s.strip][s.slot] = Part(block[3]);
}

// Adds the products of one k, whose parts are at y and x of their strips.
fn add_one(square: u32, k: u32, y: u32, x: u32) {
  let a0 = vec4<f32>(parts[square][k][0][y]);
  let a1 = vec4<f32>(parts[square][k][1][y]);
  let b0 = vec4<f32>(parts[square][k][2][x]);
  let b1 = vec4<f32>(parts[square][k][3][x]);
  add0(a0, b0);
  add1(a0, b1);
  add2(a1, b0);
  add3(a1, b1);
}

// Adds those of four k from k on.
fn add_four(square: u32, k: u32, y: u32, x: u32) {
  let y_at = y ^ (k / 2u);
  let x_at = x ^ (k / 2u);
  add_one(square, k, y_at, x_at);
  add_one(square, k + 1u, y_at, x_at);
  add_one(square, k + 2u, y_at, x_at);
  add_one(square, k + 3u, y_at, x_at);
}

// Reports whether the thread has sums of C.
fn block(t: Thread) -> bool {
  let row = 8u * SIDE * t.group.y;
  let col = 8u * SIDE * t.group.x;
  let square = t.lane / (SIDE * SIDE);
  let y = t.lane / SIDE % SIDE;
  let x = t.lane % SIDE;
  // Each thread brings a block of A and one of B, or those of A come first.
  let both = SIDE == 8u;
  let of_a = 8u * SIDE * SPLIT;
  let second = share_of(t.lane, B_ALONG, col, params.n, 2u);
  var first = share_of(t.lane, A_ALONG, row, params.m, 0u);
  if (!both && t.lane >= of_a) {
    first = share_of(t.lane - of_a, B_ALONG, col, params.n, 2u);
  }
  var k = 0u;
  for (; k < params.k; k += 16u * SPLIT) {
    workgroupBarrier();
    if (both) {
      bring(first, a_share(first, k));
      bring(second, b_share(second, k));
    } else {
      var block: mat4x4<f32>;
      if (t.lane < of_a) {
        block = a_share(first, k);
      } else {
        block = b_share(first, k);
      }
      bring(first, block);
    }
    workgroupBarrier();
    if (k + 16u * SPLIT > params.k) {
      break;
    }
    add_four(square, 0u, y, x);
    add_four(square, 4u, y, x);
    add_four(square, 8u, y, x);
    add_four(square, 12u, y, x);
  }
  // What there is of the last step, in fours: past the end of k, A counts as zero.
  let rest = params.k - min(k, params.k);
  if (rest % 4u != 0u) {
    for (var i = rest; i % 4u != 0u; i++) {
      if (t.lane < 2u * SIDE) {
        parts[i / 16u][i % 16u][t.lane / SIDE][t.lane % SIDE] = Part();
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 16u && 16u * square + i < rest; i += 4u) {
    let turn = i / 2u;
    add_one(square, i, y ^ turn, x ^ turn);
    add_one(square, i + 1u, y ^ turn, x ^ turn);
    add_one(square, i + 2u, y ^ turn, x ^ turn);
    add_one(square, i + 3u, y ^ turn, x ^ turn);
  }
  if (SPLIT > 1u) {
    add_squares(square, t.lane % (SIDE * SIDE));
  }
  wide = 2u;
  top = row + 4u * y;
  left = col + 4u * x;
  down = 4u * SIDE;
  aside = 4u * SIDE;
  return square == 0u;
}

// Adds up the sums of the squares: those of the second half of them go through
// workgroup memory, which has room for them, to the threads of the first.
fn add_squares(square: u32, thread: u32) {
  for (var half = SPLIT / 2u; half > 0u; half /= 2u) {
    let at = thread / 32u;
    let strip = thread / 8u % 4u;
    let slot = thread % 8u;
    workgroupBarrier();
    if (square >= half && square < 2u * half) {
      let to = 2u * (square - half) + at;
      parts[to][0][strip][slot] = Part(s00);
      parts[to][1][strip][slot] = Part(s01);
      parts[to][2][strip][slot] = Part(s02);
      parts[to][3][strip][slot] = Part(s03);
      parts[to][4][strip][slot] = Part(s10);
      parts[to][5][strip][slot] = Part(s11);
      parts[to][6][strip][slot] = Part(s12);
      parts[to][7][strip][slot] = Part(s13);
      parts[to][8][strip][slot] = Part(s20);
      parts[to][9][strip][slot] = Part(s21);
      parts[to][10][strip][slot] = Part(s22);
      parts[to][11][strip][slot] = Part(s23);
      parts[to][12][strip][slot] = Part(s30);
      parts[to][13][strip][slot] = Part(s31);
      parts[to][14][strip][slot] = Part(s32);
      parts[to][15][strip][slot] = Part(s33);
    }
    workgroupBarrier();
    if (square < half) {
      let its = 2u * square + at;
      s00 += vec4<f32>(parts[its][0][strip][slot]);
      s01 += vec4<f32>(parts[its][1][strip][slot]);
      s02 += vec4<f32>(parts[its][2][strip][slot]);
      s03 += vec4<f32>(parts[its][3][strip][slot]);
      s10 += vec4<f32>(parts[its][4][strip][slot]);
      s11 += vec4<f32>(parts[its][5][strip][slot]);
      s12 += vec4<f32>(parts[its][6][strip][slot]);
      s13 += vec4<f32>(parts[its][7][strip][slot]);
      s20 += vec4<f32>(parts[its][8][strip][slot]);
      s21 += vec4<f32>(parts[its][9][strip][slot]);
      s22 += vec4<f32>(parts[its][10][strip][slot]);
      s23 += vec4<f32>(parts[its][11][strip][slot]);
      s30 += vec4<f32>(parts[its][12][strip][slot]);
      s31 += vec4<f32>(parts[its][13][strip][slot]);
      s32 += vec4<f32>(parts[its][14][strip][slot]);
      s33 += vec4<f32>(parts[its][15][strip][slot]);
    }
  }
}

fn block0() -> mat4x4<f32> { return mat4x4(s00, s01, s02, s03); }
fn block1() -> mat4x4<f32> { return mat4x4(s10, s11, s12, s13); }
fn block2() -> mat4x4<f32> { return mat4x4(s20, s21, s22, s23); }
fn block3() -> mat4x4<f32> { return mat4x4(s30, s31, s32, s33); }

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

@compute @workgroup_size(SIDE * SIDE * SPLIT)
fn block_plain(t: Thread) {
  _ = &residual;
  if (!block(t)) {
    return;
  }
  plain(0u, block0());
  plain(1u, block1());
  plain(2u, block2());
  plain(3u, block3());
}

@compute @workgroup_size(SIDE * SIDE * SPLIT)
fn block_relu(t: Thread) {
  _ = &residual;
  if (!block(t)) {
    return;
  }
  relu(0u, block0());
  relu(1u, block1());
  relu(2u, block2());
  relu(3u, block3());
}

@compute @workgroup_size(SIDE * SIDE * SPLIT)
fn block_residual(t: Thread) {
  if (!block(t)) {
    return;
  }
  add_residual(0u, block0());
  add_residual(1u, block1());
  add_residual(2u, block2());
  add_residual(3u, block3());
}

@compute @workgroup_size(SIDE * SIDE * SPLIT)
fn block_gated(t: Thread) {
  _ = &residual;
  if (!block(t)) {
    return;
  }
  gated(0u, block0());
  gated(1u, block1());
  gated(2u, block2());
  gated(3u, block3());
}

@compute @workgroup_size(SIDE * SIDE * SPLIT)
fn block_gated_pre(t: Thread) {
  if (!block(t)) {
    return;
  }
  gated_pre(0u, block0());
  gated_pre(1u, block1());
  gated_pre(2u, block2());
  gated_pre(3u, block3());
}
