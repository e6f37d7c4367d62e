// A workgroup takes 64 rows, and stages sixteen numbers each of all rows at a time.
const ROWS: u32 = 64u;
const STEP: u32 = min(4u, FOURS);  // fours of a head staged for a product of rows with columns

// Whether each stretch of a product is in a branch, without which Intel's compiler has
// too few registers: see matmul_light.wgsl.
override GUARDED: bool = false;

// What is staged. Of a product of rows with columns, a line for each of sixteen
// numbers: four neighbors of the 64 rows a vector, and in the lines after those of the
// columns. Or 64 numbers of 32 columns, a line for each column. A line's number is a
// constant or the same for all threads wherever it is read, which leaves one place to
// check against the bounds.
var<workgroup> stage: array<array<vec4<Staged>, 16>, 32>;

// A block of 4×4 numbers, whose column r is of row r.
fn block_of(operand: u32, at: vec4<u32>, i: u32) -> mat4x4<f32> {
  return mat4x4(four_of(operand, at.x, i), four_of(operand, at.y, i), four_of(operand, at.z, i), four_of(operand, at.w, i));
}

// What the windows of a workgroup's rows cover, and what all of them see: the first
// and the end of both. Numbers of rows are exact as floats. The tile is free for it.
fn span_of(mine: vec2<u32>, lane: u32) -> vec4<u32> {
  let w = vec2<f32>(mine);
  workgroupBarrier();
  if (lane < ROWS) {
    tile[lane / 16u][lane % 16u] = vec4(select(vec2(LOWEST, 0.0), vec2(-w.x, w.y), mine.x < mine.y), w.x, -w.y);
  }
  for (var half = ROWS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      let at = lane + half;
      tile[lane / 16u][lane % 16u] = max(tile[lane / 16u][lane % 16u], tile[at / 16u][at % 16u]);
    }
  }
  let most = workgroupUniformLoad(&tile[0][0]);
  return vec4<u32>(abs(most));
}

// The windows of a thread's four rows.
struct Windows {
  first: vec4<u32>,
  end: vec4<u32>,
}

fn keys_of_four(b: u32, row: u32) -> Windows {
  let x = keys_of(b, row);
  let y = keys_of(b, row + 1u);
  let z = keys_of(b, row + 2u);
  let w = keys_of(b, row + 3u);
  return Windows(vec4(x.x, y.x, z.x, w.x), vec4(x.y, y.y, z.y, w.y));
}
