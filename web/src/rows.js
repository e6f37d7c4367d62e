// Rows of the visitor's own: what the worker finds in them, how they are read, and which of those
// held back a run gets wrong. They stay while a task of the page's is shown.

const $ = (id) => document.getElementById(id);
const longestLink = 4000; // characters of rows that a link carries
const place = "rows"; // where the tab remembers them
const selects = { textColumn: "text-column", labelColumn: "label-column", labels: "labels-as", heldBack: "held-back" };
const own = ["textColumn", "labelColumn", "labels", "heldBack"];

let send; // a message to the worker
let text = ""; // the rows
let shown = false; // they are in the field, rather than a task's
let lost = false; // a link was to have them
let asked = ""; // what the worker was asked last
let timer = 0;
let chosen = { textColumn: "", labelColumn: "" }; // by the visitor; empty is what is certain
let given = false; // the visitor chose the longest text

export function start(sender) {
  send = sender;
}

/** follow lets the form follow whether rows of one's own are chosen, and gives the field its rows. */
export function follow(mine) {
  if (mine && !shown) $("rows-input").value = text;
  shown = mine;
  $("own-rows").hidden = $("own-rows").disabled = !mine;
  $("rows-input").readOnly = !mine && text.trim() !== "";
  const format = "One row a line. Paste them, or drop a .csv, .tsv, .json or .jsonl file.";
  let help = format;
  if ($("rows-input").readOnly) help = "These are the task’s. Yours are kept: choose “Your own rows” to have them back.";
  else if (mine && text.length > longestLink) help = `${format} They are too long for a link to this page: it carries the settings alone, so send the file along.`;
  else if (mine && lost && text === "") help = `${format} The link that led here has none: they were too long for it.`;
  if ($("rows-help").textContent !== help) $("rows-help").textContent = help;
  if (mine) return;
  found("", "");
  asked = ""; // they are looked at again when they are chosen again
}

/** edited takes what is in the field. */
export function edited() {
  put($("rows-input").value);
}

/** put makes a text the visitor's rows. */
export function put(rows) {
  if (text.trim() === "") given = false;
  text = rows;
  $("rows-input").value = rows;
  shown = true;
  lost = false;
  try {
    sessionStorage.setItem(place, rows);
  } catch {
    // a reload of this window begins without them
  }
}

/** opened takes a file's contents, and says what became of them. */
export function opened(name, bytes) {
  given = false;
  chosen = { textColumn: "", labelColumn: "" };
  const [rows, notice] = decode(bytes);
  put(rows);
  return `The rows of ${name} are here. ${notice}Press Train.`;
}

/** bytes are a file's, unpacked where its name says that it is gzipped; null where there are more than most. */
export async function bytes(name, blob, most) {
  const stream = /\.gz$/i.test(name) ? blob.stream().pipeThrough(new DecompressionStream("gzip")) : blob.stream();
  const parts = [];
  let size = 0;
  for (const reader = stream.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
    if (size > most) {
      reader.cancel();
      return null;
    }
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** decode reads UTF-8 and UTF-16, and what is neither as Excel on Windows writes it. */
function decode(bytes) {
  let utf16 = { "255,254": "utf-16le", "254,255": "utf-16be" }[bytes.slice(0, 2)];
  if (bytes.length > 1 && bytes.slice(0, 2).includes(0)) utf16 = bytes[0] === 0 ? "utf-16be" : "utf-16le"; // without a mark
  if (utf16) return [new TextDecoder(utf16).decode(bytes), ""];
  try {
    return [new TextDecoder("utf-8", { fatal: true }).decode(bytes), ""];
  } catch {
    return [new TextDecoder("windows-1252").decode(bytes), "They are not UTF-8 and were read as Windows-1252: look whether the accents are right. "];
  }
}

/** read gives a run's settings what the form says of the rows. */
export function read() {
  return {
    rows: text, ...chosen, labels: $("labels-as").value, heldBack: Number($("held-back").value), maxSourceLength: length(),
  };
}

/** length is the most tokens of a text. */
export const length = () => Number($("max-source-length").value);

/** changed hears that the visitor has changed a part of the form. */
export function changed({ id, value }) {
  if (id === "rows-input") edited();
  if (id === "max-source-length") given = true;
  if (id === "text-column") chosen.textColumn = value;
  if (id === "label-column") chosen.labelColumn = value;
}

/** restore takes what a link says. */
export function restore(link, mine) {
  if (mine) {
    for (const name of own) if (link.has(selects[name])) pick($(selects[name]), link.get(selects[name]));
    for (const name of ["textColumn", "labelColumn"]) chosen[name] = link.get(selects[name]) ?? "";
    given = Number(link.get("max-source-length")) > 0;
    if (given) $("max-source-length").value = link.get("max-source-length");
  }
  const had = text;
  try {
    text ||= sessionStorage.getItem(place) ?? "";
  } catch {
    // this window keeps nothing
  }
  if (mine && link.has("rows")) put(link.get("rows"));
  lost = mine && text === "";
  if (text !== had) shown = false; // the field has to follow
}

function pick(select, value) {
  const before = select.value;
  select.value = value;
  if (select.value === "" && value !== "") select.value = before;
}

/** address writes into a link what restore takes. */
export function address(link) {
  for (const name of own) {
    const value = chosen[name] ?? $(selects[name]).value;
    if (value && value !== "0") link.set(selects[name], value);
  }
  link.set("max-source-length", $("max-source-length").value);
  if (text.length <= longestLink) link.set("rows", text);
}

/** link writes into a link what a run's settings say of its rows. */
export function link(link, run) {
  for (const name of own) if (run[name]) link.set(selects[name], run[name]);
  link.set("max-source-length", run.maxSourceLength);
  link.set("rows", run.rows);
}

/** again has the rows looked at once more: there is another model. */
export function again() {
  asked = "";
}

/** look asks the worker what the rows hold, once nothing more is typed. */
export function look(settings) {
  clearTimeout(timer);
  if (!shown || !$("max-source-length").checkValidity()) return;
  timer = setTimeout(() => {
    const s = settings();
    const now = JSON.stringify([s.rows, s.textColumn, s.labelColumn, s.labels, s.heldBack, s.maxSourceLength, s.seed]);
    if (now === asked || !shown) return;
    asked = now;
    if (text.trim() === "") found("", "");
    else send("survey", { settings: s });
  }, 250);
}

/** surveyed shows what the worker has found. It says whether the form has changed by it. */
export function surveyed(m) {
  if (!shown) return false;
  let turned = false;
  for (const name of ["textColumn", "labelColumn"]) {
    if (chosen[name] !== "" && m.columns.length > 0 && !m.columns.includes(chosen[name])) {
      chosen[name] = ""; // of other rows
      turned = true;
    }
  }
  columns("text-column", m.columns, m.text);
  columns("label-column", m.columns, m.label);
  if (turned) return true;
  if (m.problem) {
    found("", m.problem);
    return false;
  }
  if (!given && m.suggested > 0 && length() !== m.suggested) {
    $("max-source-length").value = m.suggested;
    return true;
  }
  const whole = (n) => n.toLocaleString("en");
  const parts = [`${whole(m.rows)} rows, ${whole(m.heldBack)} of them held back. Text: ${m.text}. Label: ${m.label}.`];
  parts.push(m.labels.length > 0
    ? `${m.labels.map(({ label, rows }) => `${label} (${whole(rows)})`).join(", ")}.`
    : "Their labels are so many that answers are free text.");
  if (m.longest > 0) {
    parts.push(m.cut > 0
      ? `${whole(m.cut)} of the ${whole(m.rows)} rows are longer than ${length()} tokens and cut there; the longest has ${whole(m.longest)}.`
      : `The longest has ${whole(m.longest)} tokens: none is cut.`);
  }
  if (m.notice) parts.push(m.notice);
  found(parts.join(" "), "");
  return false;
}

function columns(id, names, taken) {
  const options = names.filter((name) => name.trim() !== "").map((name) => new Option(name, name));
  if (!taken) options.unshift(new Option("choose", ""));
  $(id).replaceChildren(...options);
  $(id).value = taken;
}

function found(text, problem) {
  $("rows-found").textContent = text;
  $("rows-problem").textContent = problem;
}

// What a run gets wrong.

/** forget shows nothing of a run. */
export function forget() {
  $("mistakes").hidden = true;
}

/** evaluated shows the answers by label, and the rows that have a wrong one. */
export function evaluated({ confusion, wrong, rows, accuracy, step }) {
  $("mistakes").hidden = step === 0 || !wrong;
  if ($("mistakes").hidden) return;
  const wrongs = Math.round(rows * (1 - accuracy));
  $("mistakes-note").textContent = `After ${step} steps, ${wrongs} of the ${rows} rows held back.`;
  $("confusion").hidden = !confusion;
  if (confusion) {
    const other = confusion.counts.some((counts) => counts.at(-1) > 0);
    const head = [...confusion.labels, ...(other ? ["none of them"] : [])];
    fill("confusion", ["label \\ answer", ...head], confusion.counts.map((counts, i) =>
      [confusion.labels[i], ...counts.slice(0, head.length)]), (tr, i) => tr.children[i + 1].classList.add("hit"));
  }
  $("wrong-rows").hidden = wrong.length === 0;
  $("wrong-summary").textContent = wrong.length < wrongs ? `The first ${wrong.length} that it gets wrong` : `All that it gets wrong: ${wrong.length}`;
  fill("wrong", ["text", "label", "answer"], wrong.map((x) => [x.text, x.label, x.answer || "(nothing)"]));
}

/** fill makes a table's head and rows, each with a head of its own. */
function fill(id, head, rows, mark = () => {}) {
  const cell = (tag, scope, content) => {
    const e = document.createElement(tag);
    if (scope) e.scope = scope;
    e.textContent = content;
    return e;
  };
  const line = document.createElement("tr");
  line.append(...head.map((content) => cell("th", "col", content)));
  $(id).tHead.replaceChildren(line);
  $(id).tBodies[0].replaceChildren(...rows.map(([first, ...others], i) => {
    const tr = document.createElement("tr");
    tr.append(cell("th", "row", first), ...others.map((content) => cell("td", "", content)));
    mark(tr, i);
    return tr;
  }));
}
