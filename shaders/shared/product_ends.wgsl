// residual: C is the gradient of what an end made, and passes that on. Binding 4 holds
// for 1, relu, what that made, [m, n]; for 2, gated, what it was applied to, [m, 2n],
// which out is like then.
override PASSES: u32 = 0u;

// Where the blocks of C that a thread stores lie: `wide` of them side by side, from
// row `top` and column `left`; `down` rows and `aside` columns from one to the next.
var<private> wide: u32;
var<private> top: u32;
var<private> left: u32;
var<private> down: u32 = 4u;
var<private> aside: u32 = 4u;

// A row of a block of C, which lies at index `at`.
fn row_at(at: u32, row: vec4<f32>) -> vec4<f32> {
  let v = params.scale * row;
  if (params.add_plus == 0u) {
    return v;
  }
  return v + vec4<f32>(plus[at], plus[at + 1u], plus[at + 2u], plus[at + 3u]);
}

// Where row r of block i lies in C, and how many of its four columns are inside.
fn index_of(i: u32, r: u32) -> u32 {
  return (top + down * (i / wide) + r) * params.n + left + aside * (i % wide);
}

fn inside(i: u32, r: u32) -> u32 {
  let col = min(left + aside * (i % wide), params.n);
  return select(0u, min(4u, params.n - col), top + down * (i / wide) + r < params.m);
}

fn put(at: u32, count: u32, v: vec4<f32>) {
  if (count > 0u) { out[at] = v.x; }
  if (count > 1u) { out[at + 1u] = v.y; }
  if (count > 2u) { out[at + 2u] = v.z; }
  if (count > 3u) { out[at + 3u] = v.w; }
}

fn put_pre(at: u32, count: u32, v: vec4<f32>) {
  if (count > 0u) { pre[at] = v.x; }
  if (count > 1u) { pre[at + 1u] = v.y; }
  if (count > 2u) { pre[at + 2u] = v.z; }
  if (count > 3u) { pre[at + 3u] = v.w; }
}

// The ends of row r of block i. All use bindings 4 and 5, so that every call binds
// alike.

fn plain_row(i: u32, r: u32, row: vec4<f32>) {
  let at = index_of(i, r);
  var v = row_at(at, row);
  if (params.accumulate != 0u) {
    v += vec4<f32>(out[at], out[at + 1u], out[at + 2u], out[at + 3u]);
  }
  put(at, inside(i, r), v);
}

fn relu_row(i: u32, r: u32, row: vec4<f32>) {
  let at = index_of(i, r);
  put(at, inside(i, r), relu_end(row_at(at, row), at));
}

// Four numbers at binding 4.
fn fourth(at: u32) -> vec4<f32> {
  return vec4<f32>(residual[at], residual[at + 1u], residual[at + 2u], residual[at + 3u]);
}

fn residual_row(i: u32, r: u32, row: vec4<f32>) {
  let at = index_of(i, r);
  let count = inside(i, r);
  let v = row_at(at, row);
  if (PASSES == 0u) {
    put(at, count, residual_end(v, fourth(at), at));
  } else if (PASSES == 1u) {
    put(at, count, relu_end_grad(v, fourth(at)));
  } else {
    put(2u * at, min(2u * count, 4u), gated_end_grad(v.xy, fourth(2u * at), at));
    put(2u * at + 4u, max(2u * count, 4u) - 4u, gated_end_grad(v.zw, fourth(2u * at + 4u), at + 2u));
  }
}

fn gated_row(i: u32, r: u32, row: vec4<f32>) {
  let at = index_of(i, r);
  let half = at / 2u;
  put(half, inside(i, r) / 2u, vec4<f32>(gated_end(row_at(at, row), half), 0.0, 0.0));
}

fn pre_row(i: u32, r: u32, row: vec4<f32>) {
  let at = index_of(i, r);
  put_pre(at, inside(i, r), row_at(at, row));
}

// The ends of a block.

fn plain(i: u32, q: mat4x4<f32>) {
  plain_row(i, 0u, q[0]);
  plain_row(i, 1u, q[1]);
  plain_row(i, 2u, q[2]);
  plain_row(i, 3u, q[3]);
}

fn relu(i: u32, q: mat4x4<f32>) {
  relu_row(i, 0u, q[0]);
  relu_row(i, 1u, q[1]);
  relu_row(i, 2u, q[2]);
  relu_row(i, 3u, q[3]);
}

fn add_residual(i: u32, q: mat4x4<f32>) {
  residual_row(i, 0u, q[0]);
  residual_row(i, 1u, q[1]);
  residual_row(i, 2u, q[2]);
  residual_row(i, 3u, q[3]);
}

fn gated(i: u32, q: mat4x4<f32>) {
  gated_row(i, 0u, q[0]);
  gated_row(i, 1u, q[1]);
  gated_row(i, 2u, q[2]);
  gated_row(i, 3u, q[3]);
}

fn gated_pre(i: u32, q: mat4x4<f32>) {
  gated(i, q);
  pre_row(i, 0u, q[0]);
  pre_row(i, 1u, q[1]);
  pre_row(i, 2u, q[2]);
  pre_row(i, 3u, q[3]);
}
