// The keys and values of tokens already decoded.
//
//   append  cache[b, step.position] = rows[b]     cache [batch, capacity, width]
//   gather  out[i] = src[index[i]]                takes caches along when beams change places

struct Params {
  n: u32,         // numbers to copy; gather4: fours
  width: u32,     // of a row, in the same unit
  capacity: u32,  // append: rows of a batch row's cache
}

struct Step {
  key: vec2<u32>,
  position: u32,
  slot: u32,
  loss_scale: f32,
  clip: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(9) var<uniform> step: Step;

@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> cache: array<f32>;

@compute @workgroup_size(64)
fn append(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let i = (wid.y * grid.x + wid.x) * 64u + lid;
  if (i < params.n && step.position < params.capacity) {
    cache[(i / params.width * params.capacity + step.position) * params.width + i % params.width] = rows[i];
  }
}

// Words, whatever they hold: a device may take a small integer for a float so
// small that it is zero.
@group(0) @binding(1) var<storage, read> src: array<u32>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn gather(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let i = (wid.y * grid.x + wid.x) * 64u + lid;
  if (i < params.n) {
    out[i] = src[index[i / params.width] * params.width + i % params.width];
  }
}

@group(0) @binding(1) var<storage, read> src4: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> out4: array<vec4<u32>>;

// gather, counting by fours.
@compute @workgroup_size(64)
fn gather4(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let i = (wid.y * grid.x + wid.x) * 64u + lid;
  if (i < params.n) {
    out4[i] = src4[index[i / params.width] * params.width + i % params.width];
  }
}
