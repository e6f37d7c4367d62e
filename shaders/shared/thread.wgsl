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
