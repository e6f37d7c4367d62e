// The form, a run's settings and the page's address: three views of one thing.
// Settings stand in the address after the #, which no server gets to see. Which
// methods there are, and what can be chosen about each, the worker says.
import * as rows from "./rows.js";

const $ = (id) => document.getElementById(id);
export const own = "own"; // the task that stands for rows of one's own
const common = ["steps", "evalEvery", "batch", "seed"]; // of every method, in the form and in settings
const slider = $("prompt-slider"); // of the prompt length, under its input while there is one

let tasks = [];
let methods = [];
let width = 0; // d, once the model is here
let inputs = new Map(); // of the method's settings, by name

const chosen = () => tasks.find((t) => t.name === $("task").value) ?? tasks[0];
const sourceLength = () => (task() ? chosen().settings.maxSourceLength : rows.length());

/** task is the one that comes with the page and is chosen; undefined for one's own rows. */
export const task = () => tasks.find((t) => t.name === $("task").value);

/** method is the one that is chosen. */
export const method = () => methods.find((m) => m.name === $("method").value) ?? methods[0];

/** budget is l, in vectors; 0 is none. */
export const budget = () => Number($("budget").value) || 0;

/** offered says whether the form has been filled in. */
export const offered = () => tasks.length > 0;

/** rank is the paper's r for m vectors under a budget of l: m·d + r·(s + d) ≤ l·d. */
const rank = (l, m) => Math.max(0, Math.floor(((l - m) * width) / (sourceLength() + width)));

/** read gives a run's settings as the form has them. */
export function read() {
  const settings = { ...chosen().settings, method: method().name, values: {} };
  for (const s of method().settings) settings.values[s.name] = value(s, inputs.get(s.name));
  for (const id of common) settings[id] = Number($(id).value);
  settings.answer = $("answer-by").value;
  return task() ? settings : { ...settings, task: "", ...rows.read() };
}

function value(setting, input) {
  switch (setting.type) {
    case "bool": return input.checked;
    case "list": return input.value.split(",").map((x) => x.trim()).filter((x) => x !== "");
    case "text": return input.value;
    default: return Number(input.value);
  }
}

/** valid says whether every number can be used, and shows the first that cannot. */
export const valid = () => $("settings").reportValidity();

/** offer fills the form with tasks, methods and the address's settings. */
export function offer(all) {
  ({ tasks, methods } = all);
  $("task").replaceChildren(...tasks.map((t) => new Option(t.title, t.name)), new Option("Your own rows", own));
  $("method").replaceChildren(...methods.map((m) => new Option(m.title, m.name)));
  restore();
}

/**
 * know gives the form the model's width, which the rank follows from, and what the model's
 * learning rates begin with: they replace what was there to begin with, and nothing else.
 */
export function know(d, values) {
  width = d;
  for (const m of methods) {
    for (const s of m.settings) {
      const better = values[m.name]?.[s.name];
      if (better === undefined || better === s.default) continue;
      const input = m === method() && inputs.get(s.name);
      if (input && input.value === String(s.default)) fill(s, input, better);
      s.default = better;
    }
  }
  follow();
}

// A curve has ten points, however long the run, unless the visitor asks for others.
const points = () => Math.max(1, Math.floor(Number($("steps").value) / 10));
let everyTyped = false;
$("steps").addEventListener("input", () => {
  if (!everyTyped) $("evalEvery").value = points();
});
$("evalEvery").addEventListener("input", () => (everyTyped = true));

/** choose takes a task's own settings, for the method that is chosen. */
export function choose() {
  const t = task();
  $("answer-by").value = t ? "write" : "rank";
  if (!t) return;
  budgets(t.budget);
  for (const id of common) $(id).value = t.settings[id];
  build();
}

/** build makes the inputs of the method's settings. */
export function build() {
  inputs = new Map();
  const [rates, others] = [[], []];
  for (const s of method().settings) {
    const input = makeInput(s);
    inputs.set(s.name, input);
    (s.rate ? rates : others).push(labelled(s, input));
  }
  $("rates").replaceChildren(...rates);
  $("method-settings").replaceChildren(...others);
  $("budget").parentElement.hidden = !method().shift;
  if (method().shift) inputs.get("prompt-length").parentElement.after(slider);
}

function makeInput(s) {
  const input = document.createElement(s.choices.length > 0 ? "select" : "input");
  input.id = s.name;
  if (s.choices.length > 0) input.append(...s.choices.map((x) => new Option(x, x)));
  else if (s.type === "int" || s.type === "float") {
    Object.assign(input, { type: "number", min: s.least, step: s.type === "int" ? "1" : "any", required: true });
    if (s.most > 0) input.max = s.most;
  } else input.type = s.type === "bool" ? "checkbox" : "text";
  fill(s, input, s.default);
  return input;
}

function fill(s, input, x) {
  if (s.type === "bool") input.checked = String(x) === "true";
  else input.value = x;
}

/** labelled puts an input behind its title, whose last letter alone is a symbol. */
function labelled(s, input) {
  const label = document.createElement("label");
  const title = document.createElement("span");
  const [, words, symbol] = s.title.replace(/^learning rate/, "rate").match(/^(.*?)( [a-z])?$/);
  title.textContent = words.replace(/^[a-z]+\b/, (w) => w[0].toUpperCase() + w.slice(1));
  if (symbol) {
    const i = document.createElement("i");
    i.textContent = symbol.trim();
    title.append(" ", i);
  }
  label.title = s.about;
  label.append(title, " ", input);
  return label;
}

function budgets(extra) {
  const all = new Set([10, 20, 40, 60, 100, extra]);
  const options = [...all].filter((l) => l > 0).sort((a, b) => a - b).map((l) => new Option(`${l} vectors`, l));
  $("budget").replaceChildren(...options, new Option("free", "free"));
  $("budget").value = String(extra);
}

/** show fills the form with a run's settings. */
export function show(run) {
  const l = $("budget").value;
  const fits = Number(l) > 0 && rank(Number(l), run.values["prompt-length"]) === run.values.rank;
  const link = new URLSearchParams({ task: run.task || own, method: run.method, budget: fits ? l : "free", "answer-by": run.answer, ...run.values });
  if (!run.task) rows.link(link, run);
  for (const id of common) link.set(id, run[id]);
  restore(link);
}

/** restore takes settings from the address, and those of task and method for what it leaves out. */
export function restore(link = new URLSearchParams(location.hash.slice(1))) {
  const pick = (id, other) => {
    $(id).value = link.get(id) ?? other;
    if ($(id).value === "") $(id).value = other;
  };
  pick("task", tasks[0].name);
  pick("method", chosen().settings.method);
  const mine = !task();
  if (mine) $("task").value = tasks[0].name;
  choose();
  if (mine) {
    $("task").value = own;
    $("answer-by").value = "rank";
  }
  rows.restore(link, mine);
  if (Number(link.get("budget")) > 0) budgets(Math.floor(Number(link.get("budget"))));
  for (const id of ["budget", "answer-by", ...common]) pick(id, $(id).value);
  linked = { sentence: link.get("sentence") ?? "", without: (link.get("without") ?? "").split(",").filter(Boolean), step: Number(link.get("step")) || 0 };
  if (!link.has("evalEvery")) $("evalEvery").value = points();
  everyTyped = Number($("evalEvery").value) !== points();
  for (const s of method().settings) {
    const input = inputs.get(s.name);
    const before = input.value;
    if (link.has(s.name)) fill(s, input, link.get(s.name));
    if (input.value === "") input.value = before; // no number, or no such choice
  }
  follow();
}

let linked = { sentence: "", without: [], step: 0 };

/**
 * asked is what the address says beside the settings: a sentence to ask, parts that count as
 * zero, and the step to pause at; empty and 0 where it does not.
 */
export const asked = () => linked;

/** ask puts a sentence and parts that count as zero into the address. */
export function ask(sentence, without) {
  linked = { ...linked, sentence, without };
  address();
}

/** follow lets rank, slider and address follow the form. */
export function follow() {
  rows.follow(!task());
  if (method().shift) followBudget();
  $("why").textContent = task()?.why ?? "";
  $("about").textContent = task()?.about ?? "Text to learn from, and the label of each. Some are held back to measure accuracy on.";
  address();
}

function followBudget() {
  const [length, r] = [inputs.get("prompt-length"), inputs.get("rank")];
  const free = $("budget").value === "free";
  const l = Number($("budget").value);
  length.max = slider.max = free ? 100 : l;
  if (free) length.removeAttribute("max");
  slider.value = length.value;
  r.readOnly = !free;
  if (!free && width > 0) r.value = rank(l, Number(length.value));
}

/** slide takes the prompt length from the slider. */
export function slide() {
  inputs.get("prompt-length").value = slider.value;
}

/** numbers writes down how many numbers are trained, and where they lie. */
export function numbers({ sizes, notice }) {
  const say = (n) => n.toLocaleString("en");
  let text = "";
  if (sizes.length > 0) {
    const { parameters, describe } = sizes[0];
    text = `${say(parameters)} numbers: ${describe}.`;
    const { values } = read();
    if (method().shift) {
      const l = Number($("budget").value);
      const allowed = l > 0 ? `, of ${say(l * width)} allowed` : "";
      const s = sourceLength();
      text = `${values["prompt-length"]}·${width} + ${values.rank}·(${s} + ${width}) = ${say(parameters)} numbers${allowed}. s is ${s} positions, d ${width} dimensions.`;
    }
  }
  $("numbers").textContent = `${text} ${notice}`.trim();
}

function address() {
  const link = new URLSearchParams({ task: $("task").value, method: method().name });
  if (method().shift) link.set("budget", $("budget").value);
  for (const s of method().settings) {
    const input = inputs.get(s.name);
    link.set(s.name, s.type === "bool" ? input.checked : input.value);
  }
  for (const id of ["answer-by", ...common]) link.set(id, $(id).value);
  if (!task()) rows.address(link);
  const { sentence, without, step } = linked;
  if (sentence) link.set("sentence", sentence);
  if (without.length > 0) link.set("without", without.join());
  if (step > 0) link.set("step", step);
  try {
    history.replaceState(null, "", `#${link}`);
  } catch {
    // Safari refuses more than a hundred in half a minute; the next change has it all.
  }
}
