// The sums of up to 256 numbers, from number `part` of a head, and the tile times an
// operand onto them.
var<private> sum0: Sums;
var<private> sum1: Sums;
var<private> sum2: Sums;
var<private> sum3: Sums;

fn add_tile(operand: u32, b: u32, h: u32, col: u32, count: u32, part: u32, lane: u32) {
  sum0 = add_panel(sum0, operand, b, h, col, count, part, lane);
  if (PANELS > 1u) {
    sum1 = add_panel(sum1, operand, b, h, col, count, part + 64u, lane);
  }
  if (PANELS > 2u) {
    sum2 = add_panel(sum2, operand, b, h, col, count, part + 128u, lane);
  }
  if (PANELS > 3u) {
    sum3 = add_panel(sum3, operand, b, h, col, count, part + 192u, lane);
  }
}

fn write_all(p: Places, i: u32) {
  write_sums(p, i, sum0);
  if (PANELS > 1u) {
    write_sums(p, i + 64u, sum1);
  }
  if (PANELS > 2u) {
    write_sums(p, i + 128u, sum2);
  }
  if (PANELS > 3u) {
    write_sums(p, i + 192u, sum3);
  }
}
