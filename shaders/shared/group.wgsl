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
