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

// shared: step
// What changes from one step to the next: Step in shaders.go.
struct Step {
  key: vec2<u32>,   // dropout's
  position: u32,    // decoding: tokens already in the cache
  slot: u32,        // of the ring of records
  loss_scale: f32,
  clip: f32,        // largest norm of all gradients; 0 does not clip
}

@group(0) @binding(9) var<uniform> step: Step;
// end shared

@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> cache: array<f32>;

@compute @workgroup_size(64)
fn append(t: Thread) {
  let i = group_of(t) * 64u + t.lane;
  if (i < params.n && step.position < params.capacity) {
    cache[(i / params.width * params.capacity + step.position) * params.width + i % params.width] = rows[i];
  }
}

@group(0) @binding(1) var<storage, read> src: array<Cell>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<Cell>;

@compute @workgroup_size(64)
fn gather(t: Thread) {
  let i = group_of(t) * 64u + t.lane;
  if (i < params.n) {
    out[i] = src[index[i / params.width] * params.width + i % params.width];
  }
}
