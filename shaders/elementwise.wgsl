// Arithmetic on equally many numbers. A thread takes 16 bytes of each operand. The
// last ones may reach past n: buffers are whole multiples of 16 bytes.

struct Params {
  n: u32,
  value: f32,  // the factor of b or x, or what fill writes
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
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn add(t: Thread) {
  let i = group_of(t) * 64u + t.lane;
  if (4u * i < params.n) {
    out[i] = a[i] + params.value * b[i];
  }
}

@compute @workgroup_size(64)
fn divide(t: Thread) {
  let i = group_of(t) * 64u + t.lane;
  if (4u * i < params.n) {
    out[i] = a[i] / b[i];
  }
}

// The gradient of divide's a, from that of its result at binding 1.
@compute @workgroup_size(64)
fn divide_grad_a(t: Thread) {
  let i = group_of(t) * 64u + t.lane;
  if (4u * i < params.n) {
    out[i] += a[i] / b[i];
  }
}

@group(0) @binding(2) var<storage, read_write> sum: array<vec4<f32>>;

@compute @workgroup_size(64)
fn add_to(t: Thread) {
  let i = group_of(t) * 64u + t.lane;
  if (4u * i < params.n) {
    sum[i] += params.value * a[i];
  }
}

@group(0) @binding(1) var<storage, read_write> filled: array<vec4<f32>>;

@compute @workgroup_size(64)
fn fill(t: Thread) {
  let i = group_of(t) * 64u + t.lane;
  if (4u * i < params.n) {
    filled[i] = vec4(params.value);
  }
}
