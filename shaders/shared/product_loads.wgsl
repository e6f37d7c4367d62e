override ALIGNED: bool = true;  // four numbers along a row of A or B are one load
override LOAD: u32 = select(1u, 4u, ALIGNED);

// What a load brings: vec4<f32> and vec2<u32> where ALIGNED, else f32 and u32. A
// vector made of either is the vector itself or the number in each place.
alias LoadA = vec4<f32>;
alias LoadB = vec2<u32>;

@group(0) @binding(1) var<storage, read> a: array<LoadA>;
@group(0) @binding(2) var<storage, read> b: array<LoadB>;

override A_ALONG: bool = LAYOUT != 2u;  // neighbors in A differ in k
override B_ALONG: bool = LAYOUT == 0u;

// Up to four rows of A or columns of B from `line` on, of `size` in all. Past the edge
// of C they repeat the last one, since nothing is stored for them.
fn inside_lines(line: u32, size: u32) -> vec4<u32> {
  return min(vec4(line) + vec4(0u, 1u, 2u, 3u), vec4(size - 1u));
}

// Where a 4×4 block of A or B lies in memory, counted in loads: number i of its line j
// at lines[j] + next[i]. The lines are rows of A or columns of B where they lie along
// k, else numbers of k.
struct Place {
  lines: vec4<u32>,
  next: vec4<u32>,
}

fn place(along: bool, line: u32, size: u32, k: u32) -> Place {
  let inside = inside_lines(line, size);
  let four = vec4(k) + vec4(0u, 1u, 2u, 3u);
  if (along) {
    return Place(inside * params.k / LOAD, four / LOAD);
  }
  return Place(four * size / LOAD, inside / LOAD);
}

// The place further on in k.
fn ahead(along: bool, p: Place, size: u32, k: u32) -> Place {
  if (along) {
    return Place(p.lines, p.next + k / LOAD);
  }
  return Place(p.lines + k * size / LOAD, p.next);
}

// The place with the last number of k instead of those behind it.
fn before_end(along: bool, p: Place, size: u32) -> Place {
  let last = params.k - 1u;
  if (along) {
    return Place(p.lines, min(p.next, vec4(last / LOAD)));
  }
  return Place(min(p.lines, vec4(last * size / LOAD)), p.next);
}

fn a_one(i: u32) -> f32 {
  if (ALIGNED) {
    return vec4<f32>(a[i / 4u])[i % 4u];
  }
  return vec4<f32>(a[i]).x;
}

fn b_one(i: u32) -> f32 {
  let word = word_of(i);
  if (ALIGNED) {
    return stored(vec2<u32>(b[word / 2u])[word % 2u], i);
  }
  return stored(vec2<u32>(b[word]).x, i);
}

fn a_four(line: u32, next: vec4<u32>) -> vec4<f32> {
  if (ALIGNED) {
    return vec4<f32>(a[line + next.x]);
  }
  let i = line + next;
  return vec4(a_one(i.x), a_one(i.y), a_one(i.z), a_one(i.w));
}

fn b_four(line: u32, next: vec4<u32>) -> vec4<f32> {
  if (!ALIGNED) {
    let i = line + next;
    return vec4(b_one(i.x), b_one(i.y), b_one(i.z), b_one(i.w));
  }
  let four = line + next.x;
  if (STORAGE == 0u) {
    return vec4(bitcast<vec2<f32>>(vec2<u32>(b[2u * four])), bitcast<vec2<f32>>(vec2<u32>(b[2u * four + 1u])));
  }
  let w = vec2<u32>(b[four]);
  if (STORAGE == 1u) {
    return vec4(unpack2x16float(w.x), unpack2x16float(w.y));
  }
  return bitcast<vec4<f32>>(vec4(w.x << 16u, w.x & 0xffff0000u, w.y << 16u, w.y & 0xffff0000u));
}

// Blocks of A and B, a column for each number of k.

fn a_block(p: Place) -> mat4x4<f32> {
  let m = mat4x4(a_four(p.lines.x, p.next), a_four(p.lines.y, p.next), a_four(p.lines.z, p.next), a_four(p.lines.w, p.next));
  if (A_ALONG) {
    return transpose(m);
  }
  return m;
}

fn b_block(p: Place) -> mat4x4<f32> {
  let m = mat4x4(b_four(p.lines.x, p.next), b_four(p.lines.y, p.next), b_four(p.lines.z, p.next), b_four(p.lines.w, p.next));
  if (B_ALONG) {
    return transpose(m);
  }
  return m;
}
