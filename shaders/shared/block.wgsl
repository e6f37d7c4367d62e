// A thread takes one column of eight rows, counted in cells; neighbors take
// neighboring columns.
struct Block {
  column: u32,
  row: u32,
  end: u32,  // of its rows; none where there is no such column
}

fn block_of(group: Group, lane: u32, rows: u32, width: u32) -> Block {
  let chunks = (width + 63u) / 64u;
  let unit = number_of(group);
  let column = (unit % chunks) * 64u + lane;
  let row = unit / chunks * 8u;
  return Block(column, row, select(row, min(row + 8u, rows), column < width));
}
