// What the forward pass left, and the gradient of its output.
@group(0) @binding(5) var<storage, read> dout: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> stats: array<vec2<f32>>;

alias Staged = f32;

fn four_at(operand: u32, i: u32) -> vec4<f32> {
  switch (operand) {
    case Q: { return q[i]; }
    case DOUT: { return dout[i]; }
    default: { return kv[i]; }
  }
}

// The lines of stats of four queries.
fn stats_of(head: u32, query: u32) -> mat4x2<f32> {
  let at = head * params.queries + min(vec4(query) + vec4(0u, 1u, 2u, 3u), vec4(params.queries - 1u));
  return mat4x2(stats[at.x], stats[at.y], stats[at.z], stats[at.w]);
}

// Their log-sum-exp, and their Δ.
fn log_sums(s: mat4x2<f32>) -> vec4<f32> { return vec4(s[0].x, s[1].x, s[2].x, s[3].x); }
fn deltas(s: mat4x2<f32>) -> vec4<f32> { return vec4(s[0].y, s[1].y, s[2].y, s[3].y); }
