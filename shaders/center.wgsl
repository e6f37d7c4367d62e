// Rows without their mean: what makes a norm that has one of RMSNorm, which has none.
//
//   out = x - mean(x) of each row
//
// The gradient of x is the same of that of out. A row is one workgroup's.

override LANES: u32 = 64u;  // threads that share a row

struct Params {
  rows: u32,
  width: u32,
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

var<workgroup> partial: array<f32, 64>;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(LANES)
fn center(group: Group, @builtin(local_invocation_index) lane: u32) {
  let row = number_of(group);
  if (row >= params.rows) {
    return;
  }
  let begin = row * params.width;
  let end = begin + params.width;
  var mine = 0.0;
  for (var i = begin + lane; i < end; i += LANES) {
    mine += x[i];
  }
  partial[lane] = mine;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < LANES; i++) {
    sum += partial[i];
  }
  let mean = sum / f32(params.width);
  for (var i = begin + lane; i < end; i += LANES) {
    out[i] = x[i] - mean;
  }
}
