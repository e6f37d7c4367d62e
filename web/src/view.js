// What a run looks like: the worker's messages on the page, live or recorded.
import { chart, number } from "./charts.js";
import { drawHeat, drawStrip } from "./drawing.js";

const $ = (id) => document.getElementById(id);
const percent = (x) => `${(x * 100).toFixed(x === 1 ? 0 : 1)} %`;
const whole = (n) => n.toLocaleString("en");
const bothMethods = { DePT: "accent", PT: "dashed" };
const names = { dept: "DePT", pt: "PT" };

const loss = chart($("chart-loss"), bothMethods, { title: "Loss" });
const accuracy = chart($("chart-accuracy"), { ...bothMethods, chance: "dotted" }, { title: "Accuracy on held-back rows", percent: true });
const norms = chart($("chart-norms"), { P: "accent", A: "second", B: "dashed" }, { title: "Gradient norm", log: true });
const rates = chart($("chart-rates"), { P: "accent", "A, B": "second" }, { title: "Learning rate", log: true });

let milliseconds; // of each step, by method
let sample; // the last one of DePT
let planned = 0; // m of the next run
let tokens = []; // of the text in the strip
let heat;

/** reset forgets the run on the page. */
export function reset() {
  for (const c of [loss, accuracy, norms, rates]) c.clear();
  milliseconds = { dept: [], pt: [] };
  sample = null;
  heat = { rows: 1, columns: 1, values: [0], largest: 0 };
  for (const id of ["loss", "accuracy", "ms-step", "tokens-second", "step-count", "dept-ms", "dept-accuracy", "pt-ms", "pt-accuracy"]) $(id).textContent = "–";
  for (const id of ["texts", "before", "after"]) $(id).replaceChildren();
  pictures();
}

/** empty says whether there is no run on the page. */
export const empty = () => milliseconds.dept.length === 0;

/** sizes shows what the next run trains and puts before the text, by either method. */
export function sizes({ known, dept, pt, m, l }) {
  line("dept", m, known && dept);
  line("pt", l, known && pt);
  if (empty()) {
    planned = m;
    pictures();
  }
}

function line(method, length, numbers) {
  $(`${method}-length`).textContent = numbers ? length : "–";
  $(`${method}-numbers`).textContent = numbers ? whole(numbers) : "–";
}

/** show puts a message of a run on the page; others change nothing. */
export function show(message) {
  shown[message.type]?.(message);
}

const shown = {
  plan: (p) => line(p.method, p.settings.promptLength, p.parameters),

  step(s) {
    milliseconds[s.method].push(s.ms);
    loss.add(s.step, { [names[s.method]]: s.loss });
    accuracy.add(s.step, {}); // so that both go as far
    $(`${s.method}-ms`).textContent = number(median(milliseconds[s.method]));
    if (s.method !== "dept") return;
    norms.add(s.step, { P: s.gradPrompt, A: s.gradA, B: s.gradB });
    rates.add(s.step, { P: s.lrPrompt, "A, B": s.lrLowRank });
    $("loss").textContent = s.loss.toFixed(3);
    $("loss").title = s.loss;
    $("ms-step").textContent = number(s.ms);
    $("tokens-second").textContent = whole(Math.round(s.tokensPerSecond));
    $("step-count").textContent = `${s.step} / ${s.steps}`;
  },

  evaluation(v) {
    accuracy.add(v.step, { [names[v.method]]: v.accuracy, chance: v.chance });
    $(`${v.method}-accuracy`).textContent = percent(v.accuracy);
    if (v.method !== "dept") return;
    $("accuracy").textContent = percent(v.accuracy);
    if (v.step === 0 || !$("before").hasChildNodes()) {
      texts(v.examples);
      answers("before", v.examples);
    }
    answers("after", v.examples);
  },

  sample(s) {
    if (s.method === "pt") return;
    sample = s;
    if (s.heat) heat = s.heat;
    pictures();
  },

  comparison({ rows }) {
    for (const c of rows) {
      line(c.method, c.promptLength, c.parameters);
      $(`${c.method}-ms`).textContent = number(c.ms);
      $(`${c.method}-accuracy`).textContent = percent(c.accuracy);
    }
  },

  answer(a) {
    tokens = a.tokens.map(({ text }) => text.replace("▁", "") || text); // SentencePiece marks where words begin
    pictures();
    $("answer").replaceChildren(a.answer || "(nothing)");
    $("scores").replaceChildren(...a.scores.map(({ label, probability }) => {
      const bar = document.createElement("meter");
      bar.value = probability;
      const line = document.createElement("span");
      line.append(`${label} ${Math.round(probability * 100)} % `, bar);
      return line;
    }));
    $("notice").textContent = a.notice;
  },
};

/** texts shows the five that are answered before and after. */
export function texts(rows) {
  $("texts").replaceChildren(...rows.map(({ text, label }) => item(text, `${text}: ${label}`)));
}

/** answers fills a column beside them. */
export function answers(id, examples) {
  $(id).replaceChildren(...examples.map((x) => {
    const li = item(x.answer || "(nothing)", `${x.text}: ${x.answer || "nothing"}, ${x.right ? "right" : `wrong, it is ${x.label}`}`);
    li.className = x.right ? "right" : "wrong";
    return li;
  }));
}

function item(text, title) {
  const li = document.createElement("li");
  li.textContent = text;
  li.title = title;
  return li;
}

function pictures() {
  // A full bar is a tenth of a word's own vector, or the largest shift there is.
  const shifts = sample?.shiftSizes ?? [];
  const largest = Math.max((sample?.embeddingSize ?? 0) / 10, ...shifts);
  drawStrip($("strip"), sample?.promptSizes.length ?? planned, tokens, shifts, largest);
  drawHeat($("heat"), heat);
  $("heat-scale").textContent = heat.largest > 0 ? `blank is 0, full colour ±${number(heat.largest)}` : "all zero";
}

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
};

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", pictures);
reset();
