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

@group(0) @binding(1) var<storage, read> x: array<Cell>;  // grad_x: dy
@group(0) @binding(2) var<storage, read> scale: array<Cell>;
@group(0) @binding(3) var<storage, read> shift: array<Cell>;  // grad_x: prev
@group(0) @binding(4) var<storage, read_write> out: array<Cell>;

// shared: block
// A thread takes one column of eight rows, counted in cells; neighbors take
// neighboring columns.
struct Block {
  column: u32,
  row: u32,
  end: u32,  // of its rows; none where there is no such column
}

fn block_of(group: Group, lane: u32, rows: u32, width: u32) -> Block {
  let chunks = (width + 63u) / 64u;
  let unit = number_of(group);
  let column = (unit % chunks) * 64u + lane;
  let row = unit / chunks * 8u;
  return Block(column, row, select(row, min(row + 8u, rows), column < width));
}
// end shared

@compute @workgroup_size(64)
fn forward(group: Group, @builtin(local_invocation_index) lane: u32) {
  let at = block_of(group, lane, params.rows, params.width);
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
fn grad_x(group: Group, @builtin(local_invocation_index) lane: u32) {
  let at = block_of(group, lane, params.rows, params.width);
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

fn share_of(group: Group, lane: u32) -> Share {
  let column = number_of(group) * 16u + lane % 16u;
  return Share(column, select(params.rows, lane / 16u, column < params.width));
}

// The sum of value over the threads of a column, in the first of them.
fn over_column(value: Cell, lane: u32) -> Cell {
  partial[lane] = value;
  workgroupBarrier();
  var sum = Cell();
  if (lane < 16u) {
    for (var i = lane; i < 256u; i += 16u) {
      sum += partial[i];
    }
  }
  return sum;
}

@compute @workgroup_size(256)
fn grad_scale(group: Group, @builtin(local_invocation_index) lane: u32) {
  let at = share_of(group, lane);
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
  if (lane < 16u && at.column < params.width) {
    dscale[at.column] += sum;
  }
}

@compute @workgroup_size(256)
fn grad_shift(group: Group, @builtin(local_invocation_index) lane: u32) {
  let at = share_of(group, lane);
  var sum = Cell();
  for (var begin = at.first; begin < params.rows; begin += 512u) {
    var part = Cell();
    for (var row = begin; row < min(begin + 512u, params.rows); row += 16u) {
      part += dy[row * params.width + at.column];
    }
    sum += part;
  }
  sum = over_column(sum, lane);
  if (lane < 16u && at.column < params.width) {
    dshift[at.column] += sum;
  }
}
