// Two sequences a batch row, one in front of the other, and their gradients:
//
//   forward      out[i] = (a[i] or, shared, a; b[i])    a [first, width], b [second, width]
//   grad_first   da = the front of dy; shared, its sum over the batch
//   grad_second  db = the rest of dy
//
// Both gradients are written, or added where add is set. A row is counted in
// cells: numbers, or fours of them.

alias Cell = f32;  // or vec4<f32>

struct Params {
  batch: u32,
  first: u32,   // positions
  second: u32,
  width: u32,   // cells of a position
  shared_first: u32,
  add: u32,
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

// A thread takes one cell: of a batch row, counted within its positions.
struct Place {
  row: u32,
  cell: u32,
  live: bool,
}

fn place_of(group: Group, lane: u32, rows: u32, positions: u32) -> Place {
  let i = number_of(group) * 64u + lane;
  let size = positions * params.width;
  return Place(i / size, i % size, i < rows * size);
}

@group(0) @binding(1) var<storage, read> a: array<Cell>;
@group(0) @binding(2) var<storage, read> b: array<Cell>;
@group(0) @binding(3) var<storage, read_write> out: array<Cell>;

@compute @workgroup_size(64)
fn forward(group: Group, @builtin(local_invocation_index) lane: u32) {
  let at = place_of(group, lane, params.batch, params.first + params.second);
  if (!at.live) {
    return;
  }
  let front = params.first * params.width;
  let i = at.row * (params.first + params.second) * params.width + at.cell;
  if (at.cell >= front) {
    out[i] = b[at.row * params.second * params.width + at.cell - front];
  } else if (params.shared_first != 0u) {
    out[i] = a[at.cell];
  } else {
    out[i] = a[at.row * front + at.cell];
  }
}

@group(0) @binding(1) var<storage, read> dy: array<Cell>;
@group(0) @binding(2) var<storage, read_write> grad: array<Cell>;

fn deliver(i: u32, value: Cell) {
  if (params.add != 0u) {
    grad[i] += value;
  } else {
    grad[i] = value;
  }
}

@compute @workgroup_size(64)
fn grad_first(group: Group, @builtin(local_invocation_index) lane: u32) {
  let at = place_of(group, lane, select(params.batch, 1u, params.shared_first != 0u), params.first);
  if (!at.live) {
    return;
  }
  let stride = (params.first + params.second) * params.width;
  var sum = dy[at.row * stride + at.cell];
  if (params.shared_first != 0u) {
    for (var row = 1u; row < params.batch; row++) {
      sum += dy[row * stride + at.cell];
    }
  }
  deliver(at.row * params.first * params.width + at.cell, sum);
}

@compute @workgroup_size(64)
fn grad_second(group: Group, @builtin(local_invocation_index) lane: u32) {
  let at = place_of(group, lane, params.batch, params.second);
  if (!at.live) {
    return;
  }
  let stride = (params.first + params.second) * params.width;
  deliver(at.row * params.second * params.width + at.cell, dy[at.row * stride + params.first * params.width + at.cell]);
}
