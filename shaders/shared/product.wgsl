override LAYOUT: u32 = 0u;  // 0: A [m,k], B [n,k]; 1: A [m,k], B [k,n]; 2: A [k,m], B [k,n]

struct Params {
  m: u32,
  n: u32,
  k: u32,
  scale: f32,
  accumulate: u32,  // plain adds to out
  add_plus: u32,    // 0: C = scale·A·B
  across: u32,      // tile: how many of a workgroup's 8 threads lie side by side
  site: u32,
  threshold: u32,
  keep_scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

struct Thread {
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
}

@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> pre: array<f32>;
@group(0) @binding(5) var<storage, read> plus: array<f32>;
