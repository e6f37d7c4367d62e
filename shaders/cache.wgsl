// The keys and values of tokens already decoded.
//
//   append  cache[b, step.position] = rows[b]     cache [batch, capacity, width]
//   gather  out[i] = src[index[i]]                takes caches along when beams change places

// gather's rows are counted in cells: words, or fours of them. Words, whatever they
// hold: a device may take a small integer for a float so small that it is zero.
alias Cell = u32;  // or vec4<u32>

struct Params {
  n: u32,         // to copy: numbers; gather: cells
  width: u32,     // of a row, in the same unit
  capacity: u32,  // append: rows of a batch row's cache
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

// shared: step
// What changes from one step to the next: Step in shaders.go.
struct Step {
  key: vec2<u32>,   // dropout's
  position: u32,    // decoding: tokens already in the cache
  slot: u32,        // of the ring of records
  loss_scale: f32,
  clip: f32,        // largest norm of all gradients; 0 does not clip
  grad_scale: f32,  // all gradients are so many times as large as they are
}

@group(0) @binding(9) var<uniform> step: Step;
// end shared

@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> cache: array<f32>;

@compute @workgroup_size(64)
fn append(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (i < params.n && step.position < params.capacity) {
    cache[(i / params.width * params.capacity + step.position) * params.width + i % params.width] = rows[i];
  }
}

@group(0) @binding(1) var<storage, read> src: array<Cell>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<Cell>;

@compute @workgroup_size(64)
fn gather(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (i < params.n) {
    out[i] = src[index[i / params.width] * params.width + i % params.width];
  }
}
