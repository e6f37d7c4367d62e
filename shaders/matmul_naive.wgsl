// The matrix product as one would first write it, a thread for each element of
// C: what the kernels of matmul.wgsl are measured against.

override LAYOUT: u32 = 0u;  // 0: A [m,k], B [n,k]; 1: A [m,k], B [k,n]; 2: A [k,m], B [k,n]

struct Params {
  m: u32,
  n: u32,
  k: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

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

fn b_at(i: u32) -> f32 {
  return stored(b[word_of(i)], i);
}

@compute @workgroup_size(8, 8)
fn naive(@builtin(global_invocation_id) at: vec3<u32>) {
  let row = at.y;
  let col = at.x;
  if (row >= params.m || col >= params.n) {
    return;
  }
  var sum = 0.0;
  for (var k = 0u; k < params.k; k++) {
    if (LAYOUT == 0u) {
      sum += a[row * params.k + k] * b_at(col * params.k + k);
    } else if (LAYOUT == 1u) {
      sum += a[row * params.k + k] * b_at(k * params.n + col);
    } else {
      sum += a[k * params.m + row] * b_at(k * params.n + col);
    }
  }
  out[row * params.n + col] = params.scale * sum;
}
