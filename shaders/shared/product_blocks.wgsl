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
