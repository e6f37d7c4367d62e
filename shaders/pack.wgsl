// Up to three matrices of equally many rows side by side in one, and taken out
// of it again:
//
//   forward  out[i] = (a[i], b[i], c[i])
//   part     out = part a, b or c of packed, or out plus it
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

// shared: thread
// Where a thread stands.
struct Thread {
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
}

// The number of a thread's workgroup in a grid that spreads over two dimensions
// where one does not reach.
fn group_of(t: Thread) -> u32 {
  return t.group.y * t.grid.x + t.group.x;
}
// end shared

// shared: block
// A thread takes one column of eight rows, counted in cells; neighbours take
// neighbouring columns.
struct Block {
  column: u32,
  row: u32,
  end: u32,  // of its rows; none where there is no such column
}

fn block_of(t: Thread, rows: u32, width: u32) -> Block {
  let chunks = (width + 63u) / 64u;
  let unit = group_of(t);
  let column = (unit % chunks) * 64u + t.lane;
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
  if ((params.has >> part & 1u) == 0u) {
    return Cell(params.fill);
  }
  switch (part) {
    case 0u: { return a[row * params.a + column]; }
    case 1u: { return b[row * params.b + column]; }
    default: { return c[row * params.c + column]; }
  }
}

@compute @workgroup_size(64)
fn forward(t: Thread) {
  let width = params.a + params.b + params.c;
  let at = block_of(t, params.rows, width);
  let source = part_of(at.column);
  for (var row = at.row; row < at.end; row++) {
    out[row * width + at.column] = number(source.x, row, source.y);
  }
}

@group(0) @binding(1) var<storage, read> packed: array<Cell>;
@group(0) @binding(2) var<storage, read_write> taken: array<Cell>;

@compute @workgroup_size(64)
fn part(t: Thread) {
  let widths = array<u32, 3>(params.a, params.b, params.c);
  let width = widths[params.part];
  let at = block_of(t, params.rows, width);
  var column = at.column;
  if (params.interleaved != 0u) {
    column = at.column * params.parts + params.part;
  } else if (params.part > 0u) {
    column += params.a + select(0u, params.b, params.part == 2u);
  }
  for (var row = at.row; row < at.end; row++) {
    var v = packed[row * (params.a + params.b + params.c) + column];
    let i = row * width + at.column;
    if (params.add != 0u) {
      v += taken[i];
    }
    taken[i] = v;
  }
}
