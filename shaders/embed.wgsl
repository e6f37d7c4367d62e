// The encoder's input and its gradients: word embeddings E, each shifted, behind
// vectors P [m, d] that every batch row shares:
//
//   out = keep·[ P ; E(ids) + scale·shift ]      out [batch, m+length, d]
//
// Text position t of batch row b gets row t of shift, or, per token, row
// b·length + t. keep is dropout; an element's index in out names it.
//
// The table may come in slices of its rows, one dispatch each: every text position
// is written with the slice that has its id, and P with the first.
//
// The gradients of P, of the shift and of the table gather what they sum; nothing
// is scattered.

struct Params {
  batch: u32,
  length: u32,      // text positions of a row
  prompt: u32,      // m
  width: u32,       // d
  shifted: u32,     // 0: there is no shift
  per_token: u32,
  scale: f32,       // of the shift
  add: u32,         // grad_shift: 1 adds to what is there
  runs: u32,        // grad_table: how many runs
  first: u32,       // the first id of the slice of the table
  vocab: u32,       // rows of the slice
  site: u32,
  threshold: u32,
  keep_scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

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

// shared: step
// What changes from one step to the next: Step in shaders.go.
struct Step {
  key: vec2<u32>,   // dropout's
  position: u32,    // decoding: tokens already in the cache
  slot: u32,        // of the ring of records
  loss_scale: f32,
  clip: f32,        // largest norm of all gradients; 0 does not clip
  grad_scale: f32,  // all gradients are so many times as large as they are
}

@group(0) @binding(9) var<uniform> step: Step;
// end shared

// shared: dropout
// A 32-bit permutation with good avalanche: two rounds of xor-shift-multiply.
fn mix(v: u32) -> u32 {
  var h = v;
  h = (h ^ (h >> 16u)) * 0x7feb352du;
  h = (h ^ (h >> 15u)) * 0x846ca68bu;
  return h ^ (h >> 16u);
}

// The dropout factor of an element: a function of the step's key, the site and
// the element's index alone. Of params, threshold is rate·2^32, 0 keeping
// everything, and keep_scale 1/(1-rate).
fn keep(element: u32) -> f32 {
  if (params.threshold == 0u) {
    return 1.0;
  }
  let h = mix(mix(element + step.key.x) ^ (step.key.y + params.site * 0x9e3779b9u));
  return select(params.keep_scale, 0.0, h < params.threshold);
}
// end shared

// A thread works on one column of one line: a position, or a run.
struct Cell {
  line: u32,
  column: u32,
}

fn cell(group: Group, lane: u32) -> Cell {
  let chunks = (params.width + 63u) / 64u;
  let unit = number_of(group);
  return Cell(unit / chunks, (unit % chunks) * 64u + lane);
}

// The index in out of text or prompt position p of batch row b.
fn element(b: u32, p: u32, column: u32) -> u32 {
  return (b * (params.prompt + params.length) + p) * params.width + column;
}

// shared: storage
// How weights lie in memory. Two halves share a word, the lower index below, and a
// row may begin in the middle of one.
override STORAGE: u32 = 0u;  // 0: float32, 1: float16, 2: bfloat16

// The word in which number i lies.
fn word_of(i: u32) -> u32 {
  return select(i / 2u, i, STORAGE == 0u);
}

// Number i, out of that word.
fn stored(word: u32, i: u32) -> f32 {
  if (STORAGE == 0u) {
    return bitcast<f32>(word);
  }
  if (STORAGE == 1u) {
    return unpack2x16float(word)[i & 1u];
  }
  return bitcast<f32>(select(word << 16u, word & 0xffff0000u, (i & 1u) == 1u));
}
// end shared

@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read> prompts: array<f32>;
@group(0) @binding(4) var<storage, read> shift: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

fn weight(i: u32) -> f32 {
  return stored(table[word_of(i)], i);
}

// A thread fills one column of one position for the whole batch, which shares
// the prompt and, unless it is per token, the shift.
@compute @workgroup_size(64)
fn forward(group: Group, @builtin(local_invocation_index) lane: u32) {
  let at = cell(group, lane);
  if (at.line >= params.prompt + params.length || at.column >= params.width) {
    return;
  }
  if (at.line < params.prompt) {
    if (params.first != 0u) {
      return;
    }
    let v = prompts[at.line * params.width + at.column];
    for (var row = 0u; row < params.batch; row++) {
      let i = element(row, at.line, at.column);
      out[i] = keep(i) * v;
    }
    return;
  }
  let place = at.line - params.prompt;
  var moved = 0.0;
  if (params.shifted != 0u && params.per_token == 0u) {
    moved = params.scale * shift[place * params.width + at.column];
  }
  for (var row = 0u; row < params.batch; row++) {
    let token = row * params.length + place;
    let id = ids[token] - params.first;  // wraps round where the id is before the slice
    if (id >= params.vocab) {
      continue;
    }
    if (params.shifted != 0u && params.per_token != 0u) {
      moved = params.scale * shift[token * params.width + at.column];
    }
    let i = element(row, at.line, at.column);
    out[i] = keep(i) * (weight(id * params.width + at.column) + moved);
  }
}

@group(0) @binding(1) var<storage, read> dx: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad: array<f32>;

// The gradient that position p gets from the whole batch.
fn over_batch(p: u32, column: u32) -> f32 {
  var sum = 0.0;
  for (var row = 0u; row < params.batch; row++) {
    let i = element(row, p, column);
    sum += keep(i) * dx[i];
  }
  return sum;
}

@compute @workgroup_size(64)
fn grad_prompt(group: Group, @builtin(local_invocation_index) lane: u32) {
  let at = cell(group, lane);
  if (at.line < params.prompt && at.column < params.width) {
    grad[at.line * params.width + at.column] += over_batch(at.line, at.column);
  }
}

fn put(i: u32, value: f32) {
  grad[i] = select(0.0, grad[i], params.add != 0u) + params.scale * value;
}

@compute @workgroup_size(64)
fn grad_shift(group: Group, @builtin(local_invocation_index) lane: u32) {
  let at = cell(group, lane);
  if (at.line >= params.length || at.column >= params.width) {
    return;
  }
  if (params.per_token == 0u) {
    put(at.line * params.width + at.column, over_batch(params.prompt + at.line, at.column));
    return;
  }
  for (var row = 0u; row < params.batch; row++) {
    let i = element(row, params.prompt + at.line, at.column);
    put((row * params.length + at.line) * params.width + at.column, keep(i) * dx[i]);
  }
}

@group(0) @binding(2) var<storage, read> runs: array<u32>;   // (id, begin, end)
@group(0) @binding(3) var<storage, read> order: array<u32>;  // text positions, an id's together
@group(0) @binding(4) var<storage, read_write> dtable: array<f32>;

@compute @workgroup_size(64)
fn grad_table(group: Group, @builtin(local_invocation_index) lane: u32) {
  let at = cell(group, lane);
  if (at.line >= params.runs || at.column >= params.width) {
    return;
  }
  let id = runs[3u * at.line] - params.first;
  let begin = runs[3u * at.line + 1u];
  let end = runs[3u * at.line + 2u];
  if (begin == end || id >= params.vocab) {
    return;
  }
  var sum = 0.0;
  for (var i = begin; i < end; i++) {
    let place = order[i];
    let e = element(place / params.length, params.prompt + place % params.length, at.column);
    sum += keep(e) * dx[e];
  }
  dtable[id * params.width + at.column] += sum;
}
