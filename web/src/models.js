// The choice of a model: the page's own, one of the hub's, one from the visitor's disk, or one
// that the browser keeps. The worker fetches and keeps; this is the form.

const $ = (id) => document.getElementById(id);

// The hub's address is what the page's server says: nothing in a link says another.
let hub = "";
let asked; // the promise of it

// Names on the hub, with the sizes of what is fetched.
const known = [
  { name: "google/flan-t5-small", size: "310 MB", about: "77 million weights; follows instructions" },
  { name: "t5-small", size: "245 MB", about: "61 million weights" },
  { name: "google/t5-efficient-tiny", size: "65 MB", about: "16 million weights; knows little" },
];

// Where the tab remembers what it uses; another tab begins with the page's own model.
const place = "model";

let send; // a message to the worker
let load; // loads what is chosen
let chosen = remembered();

/** start lets the form work: load is for a model that has been chosen. */
export function start(sender, loader) {
  send = sender;
  load = loader;
}

/** choice is the message that loads the model. */
export const choice = () => chosen;

function choose(what) {
  chosen = what;
  remember("");
  $("models").close();
  load();
}

/** loaded shows which model is here. A reload of the tab goes on with one that is kept. */
export function loaded(model, kept) {
  const own = !chosen.hub && !chosen.kept && !chosen.files;
  $("model-name").textContent = own
    ? "This page’s own small T5."
    : `${model.name}: ${(model.parameters / 1e6).toFixed(1)} million weights, ${megabytes(model.bytes)} on the device.`;
  if (kept) {
    // Else it goes first when the disk is full. Some browsers ask the visitor, who is asked only
    // about what was just fetched, and not at each visit.
    if (chosen.hub) navigator.storage.persist().catch(() => {});
    chosen = { kept };
  }
  remember(kept);
}

/** failed hears of an error, and says whether it has shown it. */
export function failed(e) {
  if (e.during === "kept" || e.during === "remove") {
    status(`${e.message} ${e.remedy}`, "error");
    return true;
  }
  // What cannot be loaded is not tried again; a connection may come back.
  if (e.during === "load" && !["cancelled", "network", "no-webgpu", "device-lost"].includes(e.code)) {
    chosen = {};
    remember("");
  }
  return false;
}

function remembered() {
  try {
    const kept = sessionStorage.getItem(place);
    return kept ? { kept } : {};
  } catch {
    return {}; // this window keeps nothing
  }
}

function remember(kept) {
  try {
    if (kept) sessionStorage.setItem(place, kept);
    else sessionStorage.removeItem(place);
  } catch {
    // then a reload begins with the page's own model
  }
}

// The form.

function status(text, kind = "") {
  $("models-status").textContent = text;
  $("models-status").className = kind;
}

function megabytes(bytes) {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return `${(bytes / 1e6).toFixed(bytes >= 1e7 ? 0 : 1)} MB`;
}

/** line is a row of a list: a name, what there is to say of it, and buttons. */
function line(name, about, ...buttons) {
  const li = document.createElement("li");
  li.className = "line";
  const text = document.createElement("span");
  const note = document.createElement("span");
  note.className = "note";
  note.textContent = about;
  text.append(`${name} `, note);
  li.append(text, ...buttons);
  return li;
}

function button(text, of, onclick) {
  const b = document.createElement("button");
  b.type = "button";
  b.className = "small";
  b.textContent = text;
  b.setAttribute("aria-label", `${text} ${of}`);
  b.onclick = onclick;
  return b;
}

$("hub-models").replaceChildren(...known.map(({ name, size, about }) =>
  line(name, `${size}, ${about}`, button("Fetch", name, () => fetchModel(name)))));

/** fetchModel has a model of the hub fetched. */
async function fetchModel(model) {
  await asked;
  if (hub) choose({ model, hub });
  else status("The page’s server does not answer, which says where the hub is. What is kept can be loaded.", "error");
}

/** findHub asks the page's server for the hub's address. */
async function findHub() {
  try {
    const response = await fetch("hub.json", { cache: "no-cache" });
    hub = (await response.json()).hub;
    $("hub-name").textContent = new URL(hub).host;
  } catch {
    hub = ""; // fetchModel says so
  }
}

/** list shows what is kept. */
export function list({ models, free, notice }) {
  $("kept-models").replaceChildren(...models.map((m) => {
    const about = `${megabytes(m.bytes)}${m.whole ? "" : " of it so far"}, commit ${m.commit.slice(0, 7)}`;
    return line(m.name, about,
      button(m.whole ? "Load" : "Go on", m.name, () => (m.whole ? choose({ kept: m.id }) : fetchModel(`${m.name}@${m.commit}`))),
      button("Remove", m.name, () => {
        status(`Removing ${m.name}.`);
        send("remove", { id: m.id });
      }));
  }));
  if ($("models-status").textContent.startsWith("Removing")) {
    status("Removed.");
    $("models-close").focus(); // the button that had it is gone
  }
  const room = free > 0 ? ` The browser says that there is room for ${megabytes(free)} more.` : "";
  $("kept-note").textContent = notice || `${models.length === 0 ? "Nothing yet." : ""}${room}`.trim();
}

$("choose-model").onclick = () => {
  status("");
  $("kept-models").replaceChildren();
  $("kept-note").textContent = "Looking.";
  asked = findHub();
  send("kept");
  $("models").showModal();
};
$("load-own").onclick = () => choose({});
$("hub-form").addEventListener("submit", (e) => {
  e.preventDefault();
  fetchModel($("hub-model").value.trim());
});
for (const id of ["model-folder", "model-files"]) {
  $(id).onchange = ({ target }) => {
    const files = [...target.files].map((f) => ({ path: f.webkitRelativePath || f.name, blob: f }));
    target.value = ""; // so that the same can be chosen again
    if (files.length > 0) take(files);
  };
}

/** take loads a model from files of the visitor's, each with its path. */
export const take = (files) => choose({ files });

/** isModel says whether files look like a model, and not like an adapter or rows. */
export function isModel(files) {
  const has = (name) => files.some(({ path }) => name.test(path));
  return has(/(^|\/)(model|pytorch_model)[^/]*\.(safetensors|bin)$/) || has(/(^|\/)config\.json$/) && !has(/(^|\/)adapter_config[^/]*\.json$/);
}

/** dropped gives the files that were dropped, and those in the folders. */
export async function dropped(transfer) {
  // The list is gone after the first wait.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  if (!entries.some((e) => e?.isDirectory)) return [...transfer.files].map((f) => ({ path: f.name, blob: f }));
  const files = [];
  for (const entry of entries) if (entry) await gather(entry, files);
  return files;
}

async function gather(entry, files) {
  if (entry.isFile) {
    const blob = await new Promise((resolve, reject) => entry.file(resolve, reject));
    files.push({ path: entry.fullPath.slice(1), blob });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const inner of some) await gather(inner, files);
  }
}
