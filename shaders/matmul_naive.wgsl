// The matrix product as one would first write it, a thread for each element of
// C: what the kernels of matmul.wgsl are measured against.

override LAYOUT: u32 = 0u;   // 0: A [m,k], B [n,k]; 1: A [m,k], B [k,n]; 2: A [k,m], B [k,n]
override STORAGE: u32 = 0u;  // of B; 0: float32, 1: float16, 2: bfloat16

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

fn b_at(i: u32) -> f32 {
  if (STORAGE == 0u) {
    return bitcast<f32>(b[i]);
  }
  if (STORAGE == 1u) {
    return unpack2x16float(b[i / 2u])[i % 2u];
  }
  return bitcast<f32>((b[i / 2u] >> (16u * (i % 2u))) << 16u);
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
