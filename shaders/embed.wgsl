// The encoder's input and its gradients: word embeddings E, each shifted, behind
// vectors P [m, d] that every batch row shares:
//
//   out = keep·[ P ; E(ids) + scale·shift ]      out [batch, m+length, d]
//
// Text position t of batch row b gets row t of shift, or, per token, row
// b·length + t. keep is dropout; an element's index in out names it.
//
// The gradients of P, of the shift and of the table gather what they sum; nothing
// is scattered.

override STORAGE: u32 = 0u;  // of the table: 0 float32, 1 float16, 2 bfloat16

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
  site: u32,
  threshold: u32,   // rate·2^32; 0 keeps everything
  keep: f32,        // 1/(1-rate)
}

struct Step {
  key: vec2<u32>,
  position: u32,
  slot: u32,
  loss_scale: f32,
  clip: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(9) var<uniform> step: Step;

fn mix(v: u32) -> u32 {
  var h = v;
  h = (h ^ (h >> 16u)) * 0x7feb352du;
  h = (h ^ (h >> 15u)) * 0x846ca68bu;
  return h ^ (h >> 16u);
}

// The dropout factor of an element, as in dropout.wgsl.
fn keep(element: u32) -> f32 {
  if (params.threshold == 0u) {
    return 1.0;
  }
  let h = mix(mix(element + step.key.x) ^ (step.key.y + params.site * 0x9e3779b9u));
  return select(params.keep, 0.0, h < params.threshold);
}

// A thread works on one column of one line: a position, or a run.
struct Cell {
  line: u32,
  column: u32,
}

fn cell(wid: vec3<u32>, grid: vec3<u32>, lid: u32) -> Cell {
  let chunks = (params.width + 63u) / 64u;
  let unit = wid.y * grid.x + wid.x;
  return Cell(unit / chunks, (unit % chunks) * 64u + lid);
}

// The index in out of text or prompt position p of batch row b.
fn element(b: u32, p: u32, column: u32) -> u32 {
  return (b * (params.prompt + params.length) + p) * params.width + column;
}

@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read> prompts: array<f32>;
@group(0) @binding(4) var<storage, read> shift: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

// Number i of the table. Two halves share a word, the lower index below, and a
// row may begin in the middle of one.
fn weight(i: u32) -> f32 {
  if (STORAGE == 0u) {
    return bitcast<f32>(table[i]);
  }
  let pair = table[i / 2u];
  if (STORAGE == 1u) {
    return unpack2x16float(pair)[i % 2u];
  }
  return bitcast<f32>(select(pair << 16u, pair & 0xffff0000u, i % 2u == 1u));
}

// A thread fills one column of one position for the whole batch, which shares
// the prompt and, unless it is per token, the shift.
@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let at = cell(wid, grid, lid);
  if (at.line >= params.prompt + params.length || at.column >= params.width) {
    return;
  }
  if (at.line < params.prompt) {
    let v = prompts[at.line * params.width + at.column];
    for (var row = 0u; row < params.batch; row++) {
      let i = element(row, at.line, at.column);
      out[i] = keep(i) * v;
    }
    return;
  }
  let t = at.line - params.prompt;
  var moved = 0.0;
  if (params.shifted != 0u && params.per_token == 0u) {
    moved = params.scale * shift[t * params.width + at.column];
  }
  for (var row = 0u; row < params.batch; row++) {
    let token = row * params.length + t;
    if (params.shifted != 0u && params.per_token != 0u) {
      moved = params.scale * shift[token * params.width + at.column];
    }
    let i = element(row, at.line, at.column);
    out[i] = keep(i) * (weight(ids[token] * params.width + at.column) + moved);
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
fn grad_prompt(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let at = cell(wid, grid, lid);
  if (at.line < params.prompt && at.column < params.width) {
    grad[at.line * params.width + at.column] += over_batch(at.line, at.column);
  }
}

fn put(i: u32, value: f32) {
  grad[i] = select(0.0, grad[i], params.add != 0u) + params.scale * value;
}

@compute @workgroup_size(64)
fn grad_shift(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let at = cell(wid, grid, lid);
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
fn grad_table(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let at = cell(wid, grid, lid);
  if (at.line >= params.runs || at.column >= params.width) {
    return;
  }
  let begin = runs[3u * at.line + 1u];
  let end = runs[3u * at.line + 2u];
  if (begin == end) {
    return;
  }
  var sum = 0.0;
  for (var i = begin; i < end; i++) {
    let place = order[i];
    let e = element(place / params.length, params.prompt + place % params.length, at.column);
    sum += keep(e) * dx[e];
  }
  dtable[runs[3u * at.line] * params.width + at.column] += sum;
}
