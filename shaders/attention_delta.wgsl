// Δ of attention's backward pass: Σ dout·out of each query and head.

override HEAD_DIM: u32 = 64;

// shared: attention_params
struct Params {
  batch: u32,
  heads: u32,
  queries: u32,
  keys: u32,
  q_stride: u32,   // of a row of q, in floats
  q_offset: u32,
  kv_stride: u32,
  k_offset: u32,
  v_offset: u32,
  bias_span: u32,  // L of the bias [heads, 2L-1]; 0: no bias
  windowed: u32,
  causal: u32,
  decode: u32,
  site: u32,
  threshold: u32,
  keep_scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// end shared

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

@group(0) @binding(1) var<storage, read> dout: array<f32>;
@group(0) @binding(2) var<storage, read> out: array<f32>;
@group(0) @binding(3) var<storage, read_write> stats: array<vec2<f32>>;

@compute @workgroup_size(256)
fn delta(group: Group, @builtin(local_invocation_index) lane: u32) {
  let unit = number_of(group) * 256u + lane;
  if (unit >= params.batch * params.heads * params.queries) {
    return;
  }
  let head = unit / params.queries;
  let row = head / params.heads * params.queries + unit % params.queries;
  let at = (row * params.heads + head % params.heads) * HEAD_DIM;
  var sum = 0.0;
  for (var i = 0u; i < HEAD_DIM; i++) {
    sum += dout[at + i] * out[at + i];
  }
  stats[unit].y = sum;
}
