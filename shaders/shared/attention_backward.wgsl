// What the forward pass left, and the gradient of its output.
@group(0) @binding(5) var<storage, read> dout: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> stats: array<f32>;  // pairs

alias Staged = f32;

fn four_at(operand: u32, i: u32) -> vec4<f32> {
  switch (operand) {
    case Q: { return q[i]; }
    case DOUT: { return dout[i]; }
    default: { return kv[i]; }
  }
}

// The log-sum-exp of four queries, and their Δ: read apart, lest compilers hold both
// from the first to the second.
fn log_sums(head: u32, query: u32) -> vec4<f32> {
  let at = stats_at(head, query);
  return vec4(stats[at.x], stats[at.y], stats[at.z], stats[at.w]);
}

fn deltas(head: u32, query: u32) -> vec4<f32> {
  let at = stats_at(head, query) + 1u;
  return vec4(stats[at.x], stats[at.y], stats[at.z], stats[at.w]);
}

fn stats_at(head: u32, query: u32) -> vec4<u32> {
  return 2u * (head * params.queries + min(vec4(query) + vec4(0u, 1u, 2u, 3u), vec4(params.queries - 1u)));
}
