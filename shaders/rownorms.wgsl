// The norms of rows of a weight and its low-rank change, by which DoRA divides:
//
//   n[o] = ‖W[first + step·o] + scale·B[o]·A‖₂      A [rank, width], B [rows, rank]
//
// The threads of a workgroup share the columns of four rows: a number of A serves
// all four.

override STORAGE: u32 = 0u;  // of W; 0: float32, 1: float16, 2: bfloat16
override LANES: u32 = 64u;   // threads that share four rows

struct Params {
  rows: u32,
  width: u32,
  rank: u32,
  first: u32,
  step: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<u32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

// Number i of W. Two halves share a word, the lower index below, and a row may
// begin in the middle of one.
fn weight(i: u32) -> f32 {
  if (STORAGE == 0u) {
    return bitcast<f32>(w[i]);
  }
  let pair = w[i / 2u];
  if (STORAGE == 1u) {
    return unpack2x16float(pair)[i % 2u];
  }
  return bitcast<f32>(select(pair << 16u, pair & 0xffff0000u, i % 2u == 1u));
}

var<workgroup> partial: array<vec4<f32>, LANES>;

@compute @workgroup_size(LANES)
fn row_norms(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let first = (wid.y * grid.x + wid.x) * 4u;
  if (first >= params.rows) {
    return;
  }
  // Past the last row it stands for the others.
  let row = min(vec4(first, first + 1u, first + 2u, first + 3u), vec4(params.rows - 1u));
  let in_w = (params.first + params.step * row) * params.width;
  let in_b = row * params.rank;
  var sum = vec4<f32>();
  for (var c = lane; c < params.width; c += LANES) {
    var change = vec4<f32>();
    for (var k = 0u; k < params.rank; k++) {
      change += a[k * params.width + c] * vec4(b[in_b.x + k], b[in_b.y + k], b[in_b.z + k], b[in_b.w + k]);
    }
    let v = vec4(weight(in_w.x + c), weight(in_w.y + c), weight(in_w.z + c), weight(in_w.w + c)) + params.scale * change;
    sum += v * v;
  }
  partial[lane] = sum;
  workgroupBarrier();
  if (lane < 4u && first + lane < params.rows) {
    var squares = 0.0;
    for (var i = 0u; i < LANES; i++) {
      squares += partial[i][lane];
    }
    out[first + lane] = sqrt(squares);
  }
}
