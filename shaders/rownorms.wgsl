// The norms of rows of a weight and its low-rank change, by which DoRA divides:
//
//   n[o] = ‖W[first + step·o] + scale·B[o]·A‖₂      A [rank, width], B [rows, rank]
//
// The threads of a workgroup share the columns of four rows: a number of A serves
// all four.

override LANES: u32 = 64u;  // threads that share four rows

struct Params {
  rows: u32,
  width: u32,
  rank: u32,
  first: u32,
  step: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

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
@group(0) @binding(1) var<storage, read> w: array<u32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

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

fn weight(i: u32) -> f32 {
  return stored(w[word_of(i)], i);
}

var<workgroup> partial: array<vec4<f32>, LANES>;

@compute @workgroup_size(LANES)
fn row_norms(group: Group, @builtin(local_invocation_index) lane: u32) {
  let first = number_of(group) * 4u;
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
