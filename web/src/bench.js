// Times the parts that a T5 spends its time in, and leaves the numbers as plain JSON
// in window.benchResult.
import { startEngine } from "./engine.js";

const $ = (id) => document.getElementById(id);

// What is timed, with its sizes by default and what they are called.
const parts = {
  matmul: { sizes: ["512x512x512", "1024x512x2048", "16x512x32128"], names: "rows × in × out" },
  attention: { sizes: ["8x8x64x128", "8x8x64x296"], names: "batch × heads × head size × length" },
  block: { sizes: ["4x128x512x2048"], names: "batch × length × width × feed-forward" },
};

const asked = new URLSearchParams(location.search);
const cases = Object.entries(parts).flatMap(([what, { sizes }]) => {
  const list = asked.size > 0 ? (asked.get(what)?.split(",") ?? []) : sizes;
  return list.map((shape) => ({ what, shape: shape.split("x").map(Number) }));
});

const result = { userAgent: navigator.userAgent, device: null, results: [] };
const send = startEngine((m) => {
  if (m.type === "tasks") next();
  if (m.type === "benched") {
    result.device = m.device;
    for (const r of m.results) add(r);
    next();
  }
  if (m.type === "error") end(`${m.message} ${m.remedy}`);
});

function next() {
  const c = cases.shift();
  if (!c) return end("");
  $("status").textContent = `${c.what} ${c.shape.join("×")} (${parts[c.what].names}) …`;
  send("bench", c);
}

function add(r) {
  result.results.push(r);
  const line = $("results").insertRow();
  const cells = [r.what, r.shape.join("×"), r.ms.toPrecision(4), r.gflops.toPrecision(3), r.error.toExponential(1), r.right ? "yes" : "no"];
  for (const text of cells) line.insertCell().textContent = text;
}

function end(error) {
  if (error) result.error = error;
  window.benchResult = result;
  $("status").textContent = error || `Done, on ${result.device.name}.`;
}
