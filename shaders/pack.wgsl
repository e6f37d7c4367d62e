// Up to three matrices of equally many rows side by side in one, and taken out
// of it again:
//
//   forward  out[i] = (a[i], b[i], c[i])
//   part     out = part a, b or c of packed, or out plus it
//   add_part  part a, b or c of packed, plus what is given
//
// Interleaved, column j of the packed matrix is column j/n of the (j mod n)th of
// n parts. A row is counted in cells: numbers, or fours of them.

alias Cell = f32;  // or vec4<f32>

struct Params {
  rows: u32,
  parts: u32,        // n
  a: u32,            // cells of a row of each part
  b: u32,
  c: u32,
  has: u32,          // bit i is set where part i is given; the others are filled
  interleaved: u32,
  fill: f32,
  part: u32,         // of `part`: which one
  add: u32,          // of `part`
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

// A column of the packed matrix: which part's, and which of its columns.
fn part_of(column: u32) -> vec2<u32> {
  if (params.interleaved != 0u) {
    return vec2(column % params.parts, column / params.parts);
  }
  if (column < params.a) {
    return vec2(0u, column);
  }
  if (column < params.a + params.b) {
    return vec2(1u, column - params.a);
  }
  return vec2(2u, column - params.a - params.b);
}

@group(0) @binding(1) var<storage, read> a: array<Cell>;
@group(0) @binding(2) var<storage, read> b: array<Cell>;
@group(0) @binding(3) var<storage, read> c: array<Cell>;
@group(0) @binding(4) var<storage, read_write> out: array<Cell>;

fn number(part: u32, row: u32, column: u32) -> Cell {
  if (((params.has >> part) & 1u) == 0u) {
    return Cell(params.fill);
  }
  switch (part) {
    case 0u: { return a[row * params.a + column]; }
    case 1u: { return b[row * params.b + column]; }
    default: { return c[row * params.c + column]; }
  }
}

@compute @workgroup_size(64)
fn forward(group: Group, @builtin(local_invocation_index) lane: u32) {
  let width = params.a + params.b + params.c;
  let at = block_of(group, lane, params.rows, width);
  let source = part_of(at.column);
  for (var row = at.row; row < at.end; row++) {
    out[row * width + at.column] = number(source.x, row, source.y);
  }
}

// The place of a column of a part in a packed row.
fn packed_column(column: u32) -> u32 {
  if (params.interleaved != 0u) {
    return column * params.parts + params.part;
  }
  switch (params.part) {
    case 0u: { return column; }
    case 1u: { return params.a + column; }
    default: { return params.a + params.b + column; }
  }
}

@group(0) @binding(1) var<storage, read> packed: array<Cell>;
@group(0) @binding(2) var<storage, read_write> taken: array<Cell>;

@compute @workgroup_size(64)
fn part(group: Group, @builtin(local_invocation_index) lane: u32) {
  let widths = array<u32, 3>(params.a, params.b, params.c);
  let width = widths[params.part];
  let at = block_of(group, lane, params.rows, width);
  let column = packed_column(at.column);
  for (var row = at.row; row < at.end; row++) {
    var v = packed[row * (params.a + params.b + params.c) + column];
    let i = row * width + at.column;
    if (params.add != 0u) {
      v += taken[i];
    }
    taken[i] = v;
  }
}

@group(0) @binding(2) var<storage, read_write> grown: array<Cell>;

@compute @workgroup_size(64)
fn add_part(group: Group, @builtin(local_invocation_index) lane: u32) {
  let widths = array<u32, 3>(params.a, params.b, params.c);
  let width = widths[params.part];
  let at = block_of(group, lane, params.rows, width);
  let column = packed_column(at.column);
  for (var row = at.row; row < at.end; row++) {
    grown[row * (params.a + params.b + params.c) + column] += a[row * width + at.column];
  }
}
