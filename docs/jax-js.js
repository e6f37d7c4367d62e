// What bench.html times, done with jax-js, for a comparison in one browser; see
// docs/results.md. It takes the same address and leaves window.benchResult, too.
// Where the library offers two ways, both are timed.
import { blockUntilReady, defaultDevice, grad, init, jit, nn, numpy as np } from "@jax-js/jax";

const results = [];

let seed = 1;
function array(shape, deviation = 1) {
  const x = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < x.length; i++) {
    let sum = -6; // of twelve uniform numbers: nearly normal
    for (let k = 0; k < 12; k++) sum += (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
    x[i] = deviation * sum;
  }
  return np.array(x).reshape(shape);
}

// As wasm/bench.go does it: compiled and warm, five times, each long enough for a
// browser's clock, and the median of them.
async function time(what, shape, flops, f, ...args) {
  const g = jit(f);
  const run = async (n) => {
    const began = performance.now();
    let y;
    for (let i = 0; i < n; i++) {
      y?.dispose();
      y = g(...args.map((a) => a.ref));
    }
    await blockUntilReady(y);
    y.dispose();
    return performance.now() - began;
  };
  await run(1);
  const n = Math.min(Math.max(1, Math.floor(50 / (await run(1)))), 64);
  const took = [];
  for (let i = 0; i < 5; i++) took.push((await run(n)) / n);
  const ms = took.sort((a, b) => a - b)[2];
  results.push({ what, shape, ms, gflops: flops / 1e6 / ms });
}

const parts = {
  async matmul(shape) {
    const [m, k, n] = shape;
    const x = array([m, k]);
    const flops = 2 * m * k * n;
    await time("matmul", shape, flops, (x, w) => np.matmul(x, w), x, array([k, n], k ** -0.5));
    await time("matmul, transposed weights", shape, flops, (x, w) => np.matmul(x, w.transpose()), x, array([n, k], k ** -0.5));
  },

  async attention(shape) {
    const [b, h, d, s] = shape;
    const flops = 4 * b * h * d * s * s;
    const args = [0, 1, 2].map(() => array([b, s, h, d], d ** -0.25));
    args.push(array([1, h, s, s]));
    await time("attention", shape, flops, (q, k, v, bias) => nn.dotProductAttention(q, k, v, { bias, scale: 1 }), ...args);
    await time("attention, einsum", shape, flops, (q, k, v, bias) =>
      np.einsum("bhts,bshd->bthd", nn.softmax(np.einsum("bthd,bshd->bhts", q, k).add(bias), -1), v), ...args);
  },

  async block(shape) {
    const [b, s, d, ff] = shape;
    const h = d / 64;
    const norm = (x, w) => x.ref.mul(np.reciprocal(np.sqrt(np.mean(np.square(x), -1, { keepdims: true }).add(1e-6)))).mul(w);
    const heads = (x, w) => np.matmul(x, w).reshape([b, s, h, 64]);
    const forward = (x, w1, q, k, v, o, bias, w2, wi, wo) => {
      const n = norm(x.ref, w1);
      const a = nn.dotProductAttention(heads(n.ref, q), heads(n.ref, k), heads(n, v), { bias, scale: 1 });
      const y = x.add(np.matmul(a.reshape([b * s, d]), o));
      return y.ref.add(np.matmul(nn.relu(np.matmul(norm(y, w2), wi)), wo));
    };
    const spread = d ** -0.5;
    const weights = [
      array([d]), array([d, d], spread * 64 ** -0.25), array([d, d], spread * 64 ** -0.25), array([d, d], spread), array([d, d], spread),
      array([1, h, s, s]), array([d]), array([d, ff], spread), array([ff, d], ff ** -0.5),
    ];
    const x = array([b * s, d]);
    const products = b * s * d * (4 * d + 2 * ff);
    const attention = 4 * b * s * s * d;
    await time("block forward", shape, 2 * products + attention, forward, x, ...weights);
    await time("block forward and input gradient", shape, 4 * products + 3.5 * attention,
      (c, x, ...weights) => grad((x) => forward(x, ...weights).mul(c).sum())(x), array([b * s, d]), x, ...weights);
  },
};

async function main() {
  await init();
  defaultDevice("webgpu");
  for (const [what, shapes] of new URLSearchParams(location.search)) {
    for (const shape of shapes.split(",")) await parts[what](shape.split("x").map(Number));
  }
}

main().then(() => (window.benchResult = { results }), (e) => (window.benchResult = { results, error: String(e) }));
