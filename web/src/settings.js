// The form, a run's settings and the page's address: three views of one thing.
// Settings stand in the address after the #, which no server gets to see.

const $ = (id) => document.getElementById(id);
export const own = "own"; // the task that stands for rows of one's own
const fields = ["task", "budget", "prompt-length", "rank", "lr-prompt", "lr-lowrank", "steps", "batch", "seed"];
const numbers = { "prompt-length": "promptLength", rank: "rank", "lr-prompt": "lrPrompt", "lr-lowrank": "lrLowRank", steps: "steps", batch: "batch", seed: "seed" };
const longestLink = 4000; // characters of one's own rows that a link carries

let tasks = [];
let width = 0; // d, once the model is here

const chosen = () => tasks.find((t) => t.name === $("task").value) ?? tasks[0];
const sourceLength = () => chosen().settings.maxSourceLength;

/** rank is the paper's r for m vectors under a budget of l: m·d + r·(s + d) ≤ l·d. */
const rank = (l, m) => Math.max(0, Math.floor(((l - m) * width) / (sourceLength() + width)));

/** task is the one that comes with the page and is chosen; undefined for one's own rows. */
export const task = () => tasks.find((t) => t.name === $("task").value);

/** offered says whether the form has been filled in. */
export const offered = () => tasks.length > 0;

/** read gives a run's settings as the form has them. */
export function read() {
  const settings = { ...chosen().settings };
  for (const [id, name] of Object.entries(numbers)) settings[name] = Number($(id).value);
  settings.method = "dept";
  settings.task = task()?.name ?? "";
  settings.rows = settings.task ? "" : $("rows-input").value;
  return settings;
}

/** sizes are what DePT and prompt tuning of as many numbers train and put before the text. */
export function sizes() {
  const { promptLength: m, rank: r, maxSourceLength: s } = read();
  const dept = m * width + r * (s + width);
  const l = Math.floor(dept / Math.max(1, width));
  return { known: width > 0, m, r, s, d: width, l, dept, pt: l * width };
}

/** valid says whether every number can be used, and shows the first that cannot. */
export const valid = () => $("settings").reportValidity();

/** offer fills the form with the tasks and the address's settings. */
export function offer(list) {
  tasks = list;
  $("task").replaceChildren(...tasks.map((t) => new Option(t.title, t.name)), new Option("Your own rows", own));
  restore();
}

/** know tells the form the model's width, which the rank follows from. */
export function know(d) {
  width = d;
  follow();
}

/** choose takes a task's own settings. */
export function choose() {
  const t = task();
  if (!t) return;
  budgets(t.budget);
  $("budget").value = String(t.budget);
  for (const [id, name] of Object.entries(numbers)) $(id).value = t.settings[name];
}

function budgets(extra) {
  const all = new Set([10, 20, 40, 60, 100, extra]);
  const options = [...all].filter((l) => l > 0).sort((a, b) => a - b).map((l) => new Option(`${l} vectors`, l));
  $("budget").replaceChildren(...options, new Option("free", "free"));
}

/** restore takes settings from the address, and those of the task for what it leaves out. */
export function restore() {
  const link = new URLSearchParams(location.hash.slice(1));
  $("task").value = link.get("task") ?? tasks[0].name;
  if ($("task").value === "") $("task").value = tasks[0].name;
  if (task()) choose();
  else {
    $("task").value = tasks[0].name;
    choose();
    $("task").value = own;
    $("rows-input").value = link.get("rows") ?? "";
  }
  if (Number(link.get("budget")) > 0) budgets(Math.floor(Number(link.get("budget"))));
  for (const id of fields.slice(1)) {
    const before = $(id).value;
    if (link.has(id)) $(id).value = link.get(id);
    if ($(id).value === "") $(id).value = before; // not a number, or no such budget
  }
  follow();
}

/** follow lets rank, slider and address follow the form. */
export function follow() {
  const free = $("budget").value === "free";
  const l = Number($("budget").value);
  const m = Number($("prompt-length").value);
  $("prompt-length").max = $("prompt-slider").max = free ? 100 : l;
  if (free) $("prompt-length").removeAttribute("max");
  $("prompt-slider").value = m;
  $("rank").readOnly = !free;
  if (!free && width > 0) $("rank").value = rank(l, m);

  const { known, r, s, d, dept } = sizes();
  const say = (n) => n.toLocaleString("en");
  $("numbers").textContent = known
    ? `${m}·${d} + ${r}·(${s} + ${d}) = ${say(dept)} numbers${free ? "" : `, of ${say(l * width)} allowed`}. s is ${s} positions, d ${d} dimensions.`
    : "";
  $("about").textContent = task()?.about ?? "Text to learn from, and the label of each. A fifth is held back.";
  address();
}

function address() {
  const link = new URLSearchParams(fields.map((id) => [id, $(id).value]));
  const rows = $("rows-input").value;
  if (!task() && rows.length <= longestLink) link.set("rows", rows);
  try {
    history.replaceState(null, "", `#${link}`);
  } catch {
    // Safari refuses more than a hundred in half a minute; the next change has it all.
  }
}
