// Arithmetic on equally many numbers. A thread takes 16 bytes of each operand. The
// last ones may reach past n: buffers are whole multiples of 16 bytes.

struct Params {
  n: u32,
  value: f32,  // the factor of b or x, or what fill writes
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
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn add(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (4u * i < params.n) {
    out[i] = a[i] + params.value * b[i];
  }
}

@compute @workgroup_size(64)
fn divide(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (4u * i < params.n) {
    out[i] = a[i] / b[i];
  }
}

// The gradient of divide's a, from that of its result at binding 1.
@compute @workgroup_size(64)
fn divide_grad_a(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (4u * i < params.n) {
    out[i] += a[i] / b[i];
  }
}

@group(0) @binding(2) var<storage, read_write> sum: array<vec4<f32>>;

@compute @workgroup_size(64)
fn add_to(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (4u * i < params.n) {
    sum[i] += params.value * a[i];
  }
}

@group(0) @binding(1) var<storage, read_write> filled: array<vec4<f32>>;

@compute @workgroup_size(64)
fn fill(group: Group, @builtin(local_invocation_index) lane: u32) {
  let i = number_of(group) * 64u + lane;
  if (4u * i < params.n) {
    filled[i] = vec4(params.value);
  }
}
