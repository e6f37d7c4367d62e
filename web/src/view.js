// What a run looks like: the worker's messages on the page, live or recorded. What
// is special about a method the worker says in its description: a prompt's cells are
// drawn before the text, a shift as a heat map, and other tensors are listed.
import { chart, number } from "./charts.js";
import { drawHeat, drawStrip, drawTensors } from "./drawing.js";

const $ = (id) => document.getElementById(id);
const percent = (x) => `${(x * 100).toFixed(x === 1 ? 0 : 1)} %`;
const whole = (n) => n.toLocaleString("en");

const two = ["accent", "dashed"]; // the run and the one it is compared with
const loss = chart($("chart-loss"), { title: "Loss", styles: two });
const accuracy = chart($("chart-accuracy"), { title: "Accuracy on held-back rows", percent: true, styles: two, fixed: { chance: "dotted" } });
const norms = chart($("chart-norms"), { title: "Gradient norm", log: true, keys: $("keys-norms") });
const rates = chart($("chart-rates"), { title: "Learning rate", log: true, keys: $("keys-rates") });
const mostLines = 3; // of a chart; where there are more tensors it shows all in one

let methods = []; // as the worker describes them
let mine; // the method of the run on the page, or of the next
let other; // the one that it is compared with
let twin = null; // the plan of the run under way, where it is the other one
let ran = false; // there is a run on the page
let held; // rows that are held back, of the run on the page
let right; // the accuracy evaluated last
let each; // accuracies of the parts: with the rest as zero, and trained alone
let sample; // the last one
let gradients; // the norm of each tensor's, in the last step
let planned = 0; // cells of the next run's prompt
let tokens = []; // of the text in the strip
let heat;

/** know takes the descriptions of methods. */
export function know(list) {
  methods = list;
  mine = find(mine?.name) ?? mine;
  other = find(other?.name) ?? other;
}

const find = (name) => methods.find((m) => m.name === name);

/** reset forgets the run on the page. */
export function reset() {
  for (const c of [loss, accuracy, norms, rates]) c.clear();
  ran = false;
  held = 0;
  right = undefined;
  each = { zeroed: {}, alone: {} };
  twin = null;
  gradients = new Map();
  sample = null;
  heat = { rows: 1, columns: 1, values: [0], largest: 0 };
  for (const id of ["loss", "ms-step", "tokens-second", "step-count"]) $(id).textContent = "–";
  for (const id of ["numbers", "length", "ms", "accuracy"]) $(`mine-${id}`).textContent = $(`other-${id}`).textContent = "–";
  for (const id of ["texts", "answer", "scores"]) $(id).replaceChildren();
  $("notice").textContent = $("curve-note").textContent = "";
  tokens = [];
  switched();
  bars();
  pictures();
}

/** switched shows the accuracy with the parts that the switches leave, where it is known. */
export function switched() {
  const without = left();
  const accuracy = without.length === 0 ? right : each.zeroed[remaining(without)];
  $("accuracy").textContent = accuracy === undefined ? "–" : percent(accuracy);
  $("accuracy-title").textContent = without.length === 0 ? "accuracy" : `accuracy without ${without.join(" and ")}`;
}

const remaining = (without) => mine.parts.filter((part) => !without.includes(part)).join() || "neither";

/** empty says whether there is no run on the page. */
export const empty = () => !ran;

/** parts lists those of the method on the page. */
export const parts = () => [...mine.parts];

/** becomes shows the page of a method, whose run is on it or the next. */
export function becomes(name) {
  if (!find(name) || mine?.name === name) return;
  mine = find(name);
  const kind = mine.shift ? "shift" : mine.prompt ? "prompt" : "other";
  document.body.dataset.kind = kind;
  for (const e of document.querySelectorAll("[data-for]")) e.hidden = !e.dataset.for.split(" ").includes(kind);
  $("title").textContent = $("mine-title").textContent = mine.title;
  $("trained").textContent = mine.about;
  document.title = `${mine.title}, live in this tab`;
  $("parts").replaceChildren(...mine.parts.map((part) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "checkbox", checked: true, value: part });
    label.append(input, ` ${part}`);
    return label;
  }));
  const before = $("other").value;
  $("other").replaceChildren(...methods.filter((m) => m.name !== mine.name).map((m) => new Option(m.title, m.name)));
  if (before && before !== mine.name) $("other").value = before;
  else if (other && other.name === mine.name) other = null;
  beside($("other").value);
  bars();
  pictures();
}

/** beside shows which method the run is compared with. */
export function beside(name, title = find(name)?.title) {
  if (!find(name)) return;
  if (other && $("other-title").textContent !== title) {
    for (const c of [loss, accuracy]) c.clear($("other-title").textContent);
    for (const id of ["ms", "accuracy", "numbers", "length"]) $(`other-${id}`).textContent = "–";
  }
  other = find(name);
  $("other-title").textContent = title;
}

/** left lists the parts of the method that count as zero. */
export const left = () => [...$("parts").querySelectorAll("input:not(:checked)")].map((input) => input.value);

/** untick has some parts count as zero, and the others not. */
export function untick(parts) {
  for (const input of $("parts").querySelectorAll("input")) input.checked = !parts.includes(input.value);
  switched();
}

/** sizes shows what the next run trains and puts before the text, and another beside it. */
export function sizes(list) {
  const [a, b] = list;
  line("mine", a);
  line("other", b);
  if (!ran) {
    planned = a?.positions ?? 0;
    pictures();
  }
}

function line(which, size) {
  $(`${which}-length`).textContent = size ? size.positions : "–";
  $(`${which}-numbers`).textContent = size ? whole(size.parameters) : "–";
}

/** show puts a message of a run on the page; others change nothing. */
export function show(message) {
  shown[message.type]?.(message);
}

const which = () => (twin ? "other" : "mine");
const title = () => (twin ? $("other-title").textContent : mine.title);
const rateName = (m, name) => m.settings.find((s) => s.rate === name)?.title.replace(/^learning rate( of )?/, "") || "all tensors";

const shown = {
  plan(p) {
    twin = p.twin ? p : null;
    if (twin && p.part) beside(p.method, `${p.part} alone`);
    else if (twin) {
      $("other").value = p.method;
      beside(p.method);
    } else {
      becomes(p.method);
      ran = true;
    }
    if (twin) for (const c of [loss, accuracy]) c.clear(title());
    if (!twin) held = p.heldBack;
    line(which(), p);
  },

  imported(a) {
    twin = null;
    becomes(a.method);
    line("mine", a);
  },

  step(s) {
    loss.add(s.step, { [title()]: s.loss });
    accuracy.add(s.step, {}); // so that both go as far
    $(`${which()}-ms`).textContent = milliseconds(s.ms);
    if (twin) return;
    gradients = new Map(s.norms.map(({ name, value }) => [name, value]));
    norms.add(s.step, s.norms.length > mostLines ? { "all tensors": s.gradNorm } : Object.fromEntries(gradients));
    rates.add(s.step, Object.fromEntries(s.rates.map(({ name, value }) => [rateName(mine, name), value])));
    $("loss").textContent = s.loss.toFixed(3);
    $("loss").title = s.loss;
    $("ms-step").textContent = milliseconds(s.ms);
    $("tokens-second").textContent = s.tokensPerSecond > 0 ? whole(Math.round(s.tokensPerSecond)) : "–";
    $("step-count").textContent = `${s.step} / ${s.steps}`;
  },

  evaluation(v) {
    accuracy.add(v.step, { [title()]: v.accuracy, chance: v.chance });
    $(`${which()}-accuracy`).textContent = percent(v.accuracy);
    if (twin) return;
    right = v.accuracy;
    each.zeroed = {};
    switched();
    bars();
    if (v.rows < held) $("curve-note").textContent = `Accuracy is of all ${held} rows at both ends, and of ${v.rows} between, which takes less time.`;
    if (v.step === 0 || !$("texts").querySelector(".before").textContent) {
      texts(v.examples);
      answers("before", v.examples);
    }
    answers("after", v.examples);
  },

  sample(s) {
    if (twin) return;
    sample = s;
    if (s.heat) heat = s.heat;
    pictures();
  },

  parts(p) {
    each.zeroed = { both: right };
    for (const { without, accuracy } of p.scores) each.zeroed[remaining(without)] = accuracy;
    switched();
    bars();
  },

  comparison({ rows }) {
    for (const [i, c] of rows.entries()) {
      const which = ["mine", "other"][i];
      line(which, c);
      $(`${which}-ms`).textContent = milliseconds(c.ms);
      $(`${which}-accuracy`).textContent = percent(c.accuracy);
    }
    if (twin?.part) each.alone[twin.part] = rows[1].accuracy;
    bars();
  },

  answer(a) {
    tokens = a.tokens.map(({ text }) => text.replace("▁", "") || text); // SentencePiece marks where words begin
    pictures();
    $("answer").ariaBusy = "false";
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
  $("texts").replaceChildren(...rows.map(({ text, label }) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = text;
    row.title = `${text}: ${label}`;
    row.append(head, ...["before", "after"].map((column) => {
      const cell = document.createElement("td");
      cell.className = column;
      return cell;
    }));
    return row;
  }));
}

/** answers fills a column beside them. */
export function answers(column, examples) {
  for (const [i, cell] of $("texts").querySelectorAll(`.${column}`).entries()) {
    const x = examples[i];
    const mark = document.createElement("span");
    mark.ariaLabel = x.right ? "right:" : `wrong, it is ${x.label}:`;
    mark.role = "img";
    mark.className = x.right ? "right" : "wrong";
    cell.classList.toggle("wrong", !x.right);
    cell.replaceChildren(mark, x.answer || "(nothing)");
  }
}

/** asking says that the answer is of an adapter that has changed since, or of another text. */
export function asking() {
  $("answer").ariaBusy = "true";
}

/** unanswered shows no answer, and why. */
export function unanswered(why) {
  tokens = [];
  for (const id of ["answer", "scores"]) $(id).replaceChildren();
  $("answer").ariaBusy = "false";
  $("notice").textContent = why;
  pictures();
}

/** bars shows what each part does: its accuracy with the rest as zero, and trained alone. */
function bars() {
  const rows = mine?.parts.length === 2 ? ["both", ...mine.parts, "neither"] : [];
  $("each").replaceChildren(...rows.map((name) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = mine.parts.includes(name) ? `${name} alone` : name;
    row.append(head, bar(each.zeroed[name]), bar(each.alone[name]));
    row.dataset.part = name;
    return row;
  }));
}

function bar(x) {
  const cell = document.createElement("td");
  if (x === undefined) return cell;
  const meter = document.createElement("meter");
  meter.value = x;
  meter.ariaHidden = "true"; // the number is beside it
  cell.append(`${percent(x)} `, meter);
  return cell;
}

function pictures() {
  // A full bar is a tenth of a word's own vector, or the largest shift there is.
  const shifts = sample?.shiftSizes ?? [];
  const largest = Math.max((sample?.embeddingSize ?? 0) / 10, ...shifts);
  drawStrip($("strip"), sample?.promptSizes.length ?? planned, tokens, shifts, largest);
  drawHeat($("heat"), heat);
  $("heat-scale").textContent = heat.largest > 0 ? `blank is 0, full colour ±${number(heat.largest)}` : "all zero";
  drawTensors($("tensors"), sample?.tensors ?? [], gradients);
}

/** milliseconds writes the time of a step; the clock cannot tell it at first. */
const milliseconds = (ms) => (ms > 0 ? number(ms) : "–");

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", pictures);
reset();
