// Columns scaled and shifted, and the gradients:
//
//   forward     y[i, j] = x[i, j]·scale[j] + shift[j]
//   grad_x      dx[i, j] = prev[i, j] + dy[i, j]·scale[j]
//   grad_scale  dscale[j] += Σ_i dy[i, j]·x[i, j]
//   grad_shift  dshift[j] += Σ_i dy[i, j]
//
// A row is counted in cells: numbers, or fours of them.

alias Cell = f32;  // or vec4<f32>

struct Params {
  rows: u32,
  width: u32,  // cells of a row
  scaled: u32,
  shifted: u32,
  prev: u32,   // grad_x: 1 adds to the gradient at binding 3
}

@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<Cell>;  // grad_x: dy
@group(0) @binding(2) var<storage, read> scale: array<Cell>;
@group(0) @binding(3) var<storage, read> shift: array<Cell>;  // grad_x: prev
@group(0) @binding(4) var<storage, read_write> out: array<Cell>;

// A thread takes one column of eight rows.
const BLOCK: u32 = 8u;

struct Run {
  column: u32,
  row: u32,
  end: u32,  // of its rows
}

fn run_of(wid: vec3<u32>, grid: vec3<u32>, lid: u32) -> Run {
  let chunks = (params.width + 63u) / 64u;
  let unit = wid.y * grid.x + wid.x;
  let column = (unit % chunks) * 64u + lid;
  let row = unit / chunks * BLOCK;
  return Run(column, row, select(row, min(row + BLOCK, params.rows), column < params.width));
}

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let at = run_of(wid, grid, lid);
  var factor = Cell(1.0);
  if (params.scaled != 0u) {
    factor = scale[at.column];
  }
  var term = Cell();
  if (params.shifted != 0u) {
    term = shift[at.column];
  }
  for (var row = at.row; row < at.end; row++) {
    let i = row * params.width + at.column;
    out[i] = x[i] * factor + term;
  }
}

@compute @workgroup_size(64)
fn grad_x(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let at = run_of(wid, grid, lid);
  var factor = Cell(1.0);
  if (params.scaled != 0u) {
    factor = scale[at.column];
  }
  for (var row = at.row; row < at.end; row++) {
    let i = row * params.width + at.column;
    var d = x[i] * factor;
    if (params.prev != 0u) {
      d += shift[i];
    }
    out[i] = d;
  }
}

@group(0) @binding(1) var<storage, read> dy: array<Cell>;
@group(0) @binding(2) var<storage, read> scaled_x: array<Cell>;
@group(0) @binding(3) var<storage, read_write> dscale: array<Cell>;
@group(0) @binding(2) var<storage, read_write> dshift: array<Cell>;

var<workgroup> partial: array<Cell, 256>;

// A workgroup sums 16 columns over all rows: each of its 16 threads a column
// takes every 16th row, in short sums of sums, which keep their digits.
struct Share {
  column: u32,
  first: u32,  // of its rows; past the last where there is no such column
}

fn share_of(wid: vec3<u32>, grid: vec3<u32>, lane: vec3<u32>) -> Share {
  let column = (wid.y * grid.x + wid.x) * 16u + lane.x;
  return Share(column, select(params.rows, lane.y, column < params.width));
}

// The sum of value over the threads of a column, in the first of them.
fn over_column(value: Cell, lane: vec3<u32>) -> Cell {
  partial[lane.y * 16u + lane.x] = value;
  workgroupBarrier();
  var sum = Cell();
  if (lane.y == 0u) {
    for (var i = lane.x; i < 256u; i += 16u) {
      sum += partial[i];
    }
  }
  return sum;
}

@compute @workgroup_size(16, 16)
fn grad_scale(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = share_of(wid, grid, lane);
  var sum = Cell();
  for (var begin = at.first; begin < params.rows; begin += 512u) {
    var part = Cell();
    for (var row = begin; row < min(begin + 512u, params.rows); row += 16u) {
      let i = row * params.width + at.column;
      part += dy[i] * scaled_x[i];
    }
    sum += part;
  }
  sum = over_column(sum, lane);
  if (lane.y == 0u && at.column < params.width) {
    dscale[at.column] += sum;
  }
}

@compute @workgroup_size(16, 16)
fn grad_shift(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = share_of(wid, grid, lane);
  var sum = Cell();
  for (var begin = at.first; begin < params.rows; begin += 512u) {
    var part = Cell();
    for (var row = begin; row < min(begin + 512u, params.rows); row += 16u) {
      part += dy[row * params.width + at.column];
    }
    sum += part;
  }
  sum = over_column(sum, lane);
  if (lane.y == 0u && at.column < params.width) {
    dshift[at.column] += sum;
  }
}
