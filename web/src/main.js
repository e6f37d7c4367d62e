// The page: what a visitor does goes to the worker, what the worker says is shown.
import { time } from "./charts.js";
import { startEngine } from "./engine.js";
import * as models from "./models.js";
import { keepOffline } from "./offline.js";
import { newRecorder, play } from "./recording.js";
import * as rows from "./rows.js";
import * as settings from "./settings.js";
import * as view from "./view.js";

const $ = (id) => document.getElementById(id);

let state = "none"; // the worker's; none before it says anything, gone if it never will
let twin = false; // the run under way is the second of a comparison
let trained = false; // there is a run to compare with
let adapter = false; // there is one to download
let loading = false; // the worker has been asked for the model
let alone = []; // parts that are still to be trained alone
let budget = 0; // of the run, in vectors; 0 is none
let interrupted = null; // settings of a run that is kept from earlier
let wanted = null; // what the visitor asked for before the model was here
let failed = false; // loading, or the device was lost: there is nothing to train with

// The page opened with ?record saves recorded.json after a comparison.
const recorder = new URLSearchParams(location.search).has("record") ? newRecorder() : null;

const send = startEngine((message) => {
  recorder?.add(message);
  heard[message.type]?.(message);
});

// What the worker says.

const heard = {
  tasks(all) {
    const again = state !== "none"; // the program was started anew, after an error
    methods = all.methods;
    if (live) view.know(methods);
    settings.offer(all);
    changed();
    linked();
    controls();
    chosen();
    if (!again && !loading) load();
  },

  state(s) {
    state = s.state;
    twin = s.twin ?? false;
    if (state !== "loading") $("loading").hidden = true;
    controls();
    if (state !== "training" && state !== "paused") $("going").hidden = true;
    if (state === "training") say(twin ? `Training ${$("other-title").textContent}, to compare.` : "Training.");
    if (state === "paused") say(`Paused after ${s.step} of ${s.steps} steps: Step does one more, Resume goes on.`);
    if (state === "ready") {
      loading = failed = false;
      const next = wanted;
      wanted = null;
      next?.();
    }
    if (state === "ready") measure();
    if (state === "ready" && typed && !live) mine(); // a sentence has waited for the model
    if (state === "ready" || state === "paused") ask();
    if (state === "empty" && failed) stranded();
  },

  progress(p) {
    const amount = (n) => (p.unit === "bytes" ? (n / 1e6).toFixed(1) : n);
    const total = p.total > 0 ? ` of ${amount(p.total)}` : "";
    $("progress-text").textContent = `${p.what}: ${amount(p.done)}${total} ${p.unit === "bytes" ? "MB" : p.unit}${p.cached ? ", kept from your last visit" : ""}`;
    if (p.total > 0) $("progress").value = p.done / p.total;
    else $("progress").removeAttribute("value");
    $("loading").hidden = p.unit !== "bytes" && p.done === p.total;
  },

  ready({ device, model, kept, values, notice }) {
    models.loaded(model, kept);
    settings.know(model.width, values);
    rows.again();
    changed();
    const slow = device.type === "cpu" ? ", a stand-in for a GPU that is slow but exact" : "";
    keepOffline($("offline"));
    say(`Ready: a T5 of ${(model.parameters / 1e6).toFixed(1)} million frozen weights, on ${device.name}${slow}. Press Train.${notice ? ` ${notice}` : ""}`);
  },

  kept: models.list,

  surveyed(m) {
    if (rows.surveyed(m)) changed();
  },

  interrupted({ settings: run, step, model, here }) {
    const name = run.task ? `of ${run.task}` : "on rows of your own";
    const ended = step >= run.steps;
    $("interrupted-text").textContent = `A run ${name} ${ended ? `ended after ${step} steps.` : `stopped at step ${step} of ${run.steps}.`}${here ? "" : ` It is of the model ${model}: choose that to go on.`}`;
    $("go-on").textContent = ended ? "Take it back" : "Go on";
    $("go-on").hidden = !here;
    $("interrupted").hidden = false;
    interrupted = run;
  },

  keeping({ notice }) {
    $("keeping").textContent = notice;
  },

  restored({ steps, evaluations }) {
    const all = [...steps.map((s) => ({ ...s, type: "step" })), ...evaluations.map((v) => ({ ...v, type: "evaluation" }))];
    for (const m of all.sort((a, b) => a.step - b.step)) show(m);
    if (evaluations.length === 0) return;
    adapter = true;
    controls();
    rows.evaluated(evaluations.at(-1));
    five = evaluations.at(-1).examples;
    suggest();
    ask();
    zeroed();
  },

  plan(p) {
    show(p);
    if (p.notice) say(p.notice);
  },

  measured(m) {
    settings.numbers(m);
    if (live && view.empty()) view.sizes(m.sizes);
  },

  step(s) {
    show(s);
    going(s.step / s.steps, `step ${s.step} of ${s.steps}${s.left > 0 ? `, about ${time(s.left)} left` : ""}`);
  },
  sample: show,
  parts: show,

  evaluation(v) {
    show(v);
    if (twin) return;
    adapter = true;
    controls();
    rows.evaluated(v);
    five = v.examples;
    suggest();
    ask();
    zeroed();
    if (v.step > 0) say(`Training: ${Math.round(v.accuracy * 100)} % of ${v.rows} held-back rows right after ${v.step} steps.`);
  },

  done(d) {
    trained = d.step > 0;
    controls();
    say(`${d.stopped ? "Stopped" : "Done"} after ${d.step === 1 ? "1 step" : `${d.step} steps`} in ${time(d.seconds)}, of which the steps took ${time(d.updates)} and evaluations the rest: ${Math.round(d.accuracy * 100)} % of the held-back rows right. ${d.cut > 0 ? `${d.cut === 1 ? "One row was" : `${d.cut} rows were`} cut to the longest text. ` : ""}` +
      "Type a sentence, download the adapter, or train another method beside it.");
  },

  comparison(c) {
    show(c);
    const [mine, other] = c.rows;
    const title = $("other-title").textContent;
    const right = ({ accuracy }) => `${Math.round(accuracy * 100)} %`;
    say(alone.shift()
      ? `Compared: ${title} gets ${right(other)} of the held-back rows right, both parts together ${right(mine)}.`
      : !(mine.ms > 0 && other.ms > 0) ? `Compared: ${title} gets ${right(other)} of the held-back rows right, ${$("mine-title").textContent} ${right(mine)}; there were too few steps to tell how long one takes.`
      : `Compared: a step of ${$("mine-title").textContent} took ${(mine.ms / other.ms).toFixed(2)} times as long as one of ${title}, which trained ${(other.parameters / mine.parameters).toFixed(2)} times as many numbers.`);
    if (alone.length > 0) trainAlone();
    else if (recorder) save("recorded.json", recorder.text());
  },

  answer(a) {
    const then = asked.get(a.id);
    asked.delete(a.id);
    then?.(a);
  },

  adapter({ name, data }) {
    save(name, data);
    say(`${name} is on its way to your downloads. Unpack it, and dept predict --adapter reads the folder.`);
  },

  imported(a) {
    mine();
    fresh();
    trained = false;
    adapter = true;
    controls();
    view.show(a);
    say(`Adapter loaded: ${a.parameters.toLocaleString("en")} numbers, ${a.describe}. ${a.notice}`);
    ask();
  },

  rows({ task, text }) {
    if (settings.task()?.name === task) $("rows-input").value = text;
  },

  error(e) {
    asked.delete(e.id);
    if (models.failed(e)) return;
    if (e.during === "predict") view.unanswered("");
    if (e.during === "predict" && e.code === "order") return; // the model has gone meanwhile, which was said
    // Of a device that is lost more than one thing may tell, also once the model is on its way again.
    if (e.during === "load" || e.during === "start") {
      loading = false;
      wanted = null;
    }
    $("loading").hidden = true;
    const cancelled = e.code === "cancelled";
    if (e.during === "train" || e.during === "restore") $("going").hidden = true;
    if (["start", "load"].includes(e.during) || e.code === "device-lost") failed = !cancelled;
    if (e.during === "compare" || failed) alone = [];
    say(`${e.message} ${e.remedy}`, cancelled ? "" : "error");
    if (e.during !== "start") return; // a state follows
    if (state === "none") state = "gone";
    stranded();
  },
};

function show(message) {
  if (live) view.show(message);
}

/** going shows how far the run is; without a share it is about to begin. */
function going(share, text) {
  $("going").hidden = false;
  if (share === undefined) $("run-progress").removeAttribute("value");
  else $("run-progress").value = share;
  $("left").textContent = text;
}

function say(text, kind = "") {
  $("status").textContent = text;
  $("status").className = kind;
}

function controls() {
  const running = state === "training" || state === "paused";
  const focused = document.activeElement;
  $("form").disabled = running;
  const unknown = methods.length === 0; // what there is to train
  $("train").disabled = unknown || state === "training" || state === "gone";
  $("train").textContent = state === "paused" ? "Resume" : "Train";
  $("pause").disabled = state !== "training";
  $("step").disabled = unknown || state === "gone" || (running && twin);
  $("stop").disabled = !running;
  $("reset").disabled = !here();
  $("compare").disabled = $("alone").disabled = state !== "ready" || !trained;
  $("other").disabled = running || state === "gone";
  $("download").disabled = !here() || !adapter;
  $("recorded").textContent = live ? "" : credit + (failed ? "" : " Train makes your own.");
  $("watch").hidden = live && !failed;
  $("watch").textContent = stopPlaying ? "Stop it" : "Play the recorded run";
  // What can no longer be pressed loses the keyboard: it goes on with what can.
  if (focused?.matches(":disabled")) ["pause", "train", "reset"].map($).find((b) => !b.disabled)?.focus();
}

// Training.

function load() {
  loading = true;
  say("Loading the model.");
  send("load", models.choice());
}

/** another loads the model that the visitor has chosen, in place of the one that is here. */
function another() {
  mine();
  fresh();
  five = [];
  trained = adapter = false;
  wanted = null;
  send("reset");
  load();
}
models.start(send, another);
rows.start(send);

/** here says whether there is a model. */
const here = () => ["ready", "training", "paused"].includes(state);

/** withModel does something now, or once the model is here. */
function withModel(what) {
  mine();
  if (here()) return what();
  wanted = what;
  if (loading) say("That starts as soon as the model is here.");
  else load();
}

function begin(paused) {
  $("interrupted").hidden = true;
  fresh();
  trained = false;
  budget = settings.budget();
  say("Compiling what the run needs.");
  going(undefined, "the first step takes longest");
  send("train", { settings: settings.read(), paused, pauseAt: settings.asked().step });
}

$("train").onclick = () => {
  if (state === "paused") send("resume");
  else if (settings.valid()) withModel(() => begin(false));
};
$("step").onclick = () => {
  if (state === "training" || state === "paused") return send("step");
  if (!settings.valid()) return;
  withModel(() => {
    begin(true);
    send("step");
  });
};
$("go-on").onclick = () => {
  mine();
  settings.show(interrupted);
  changed();
  fresh();
  $("interrupted").hidden = true;
  $("train").focus();
  budget = settings.budget();
  say("Compiling what the run needs.");
  going(undefined, "it goes on from where it was");
  send("restore");
};
$("forget").onclick = () => {
  $("interrupted").hidden = true;
  $("train").focus();
  say("Forgotten.");
  send("forget");
};
$("pause").onclick = () => send("pause");
$("stop").onclick = () => send(twin ? "cancel" : "stop");
$("cancel").onclick = () => send("cancel");
$("reset").onclick = () => {
  mine();
  fresh();
  five = [];
  trained = adapter = false;
  $("interrupted").hidden = true;
  send("reset");
  ask();
  controls();
  say("Reset: the adapter is gone, and the model answers as it is.");
};
$("compare").onclick = () => {
  mine();
  alone = [];
  send("compare", { method: $("other").value });
};
$("alone").onclick = () => {
  mine();
  alone = view.parts();
  trainAlone();
};
/** trainAlone trains the next part alone, with the whole budget of the run. */
function trainAlone() {
  send("compare", { part: alone[0], budget });
}
$("other").onchange = () => {
  view.beside($("other").value);
  measure();
};

// Settings.

function changed() {
  if (!settings.offered()) return;
  settings.follow();
  rows.look(settings.read);
  measure();
  if (!live || !view.empty()) return;
  view.becomes(settings.method().name);
  view.texts(settings.task()?.examples ?? []);
}

/** measure asks how large the adapter of the form is, and the other method's beside it. */
function measure() {
  if (state !== "ready" || !settings.offered() || !$("settings").checkValidity()) return;
  const other = $("other").value;
  const asked = settings.read();
  if (asked.rows?.length > 3e5) asked.rows = ""; // sizes do not follow from them, only what can be compiled ahead
  send("measure", { settings: asked, other: other === settings.method().name ? "" : other });
}

/** fresh shows a page on which nothing has run yet. */
function fresh() {
  alone = [];
  $("keeping").textContent = "";
  view.reset();
  rows.forget();
  changed();
}

/** chosen shows a task's rows, and one of its texts for a sentence. */
function chosen() {
  const task = settings.task();
  if (!task) return;
  send("rows", { task: task.name });
  suggest();
  if (state === "ready") ask();
}

/** suggest puts a text where the visitor has typed none. */
function suggest() {
  if (!typed) $("sentence").value = settings.task()?.examples[0].text ?? five[0]?.text ?? "";
}

$("settings").addEventListener("input", ({ target }) => {
  if (here()) mine();
  rows.changed(target);
  if (target.id === "task") {
    settings.choose();
    chosen();
  }
  if (target.id === "method") settings.build();
  if (target.id === "rows-input" && settings.task()) {
    $("task").value = settings.own;
    settings.choose();
  }
  if (target.id === "prompt-slider") settings.slide();
  changed();
});
$("settings").addEventListener("submit", (e) => {
  e.preventDefault();
  $("train").click();
});
addEventListener("hashchange", () => {
  settings.restore();
  changed();
  linked();
  chosen();
});

/** linked takes the sentence and the switches of the address. */
function linked() {
  const { sentence, without } = settings.asked();
  if (sentence) {
    $("sentence").value = sentence;
    typed = true;
  }
  view.untick(without);
}

// Sentences.

let typed = false; // by the visitor, so that no task's text replaces it
let timer = 0;
let questions = 0;
let newest = 0; // question whose answer is on the page
const asked = new Map(); // what to do with the answer, by question
let five = []; // the five texts, as evaluated last
let shownFive = []; // as they are shown, with some parts counted as zero

function predict(text, then) {
  const id = ++questions;
  asked.set(id, then);
  send("predict", { id, text, task: settings.task()?.name ?? "", without: view.left() });
}

/** ask has the sentence answered by the adapter as it stands. */
function ask() {
  const text = $("sentence").value;
  if (!live || !here()) return;
  if (text.trim() === "") return view.unanswered("");
  view.asking();
  predict(text, (a) => {
    if (a.id < newest || !live) return;
    newest = a.id;
    view.show(a);
    if (a.notice) say(a.notice);
  });
}

/** zeroed answers the five texts anew where a part of the adapter counts as zero. */
function zeroed() {
  if (!live || !here()) return;
  const now = (shownFive = [...five]);
  if (view.left().length === 0) return view.answers("after", five);
  five.forEach((x, i) => predict(x.text, ({ answer }) => {
    if (now !== shownFive) return; // other parts count by now
    now[i] = { ...x, answer, right: answer === x.label };
    view.answers("after", now);
  }));
}

$("sentence").addEventListener("input", () => {
  typed = true;
  if (here()) mine();
  else view.unanswered(loading ? "The answer comes with the model." : "Without WebGPU nothing can be answered here.");
  clearTimeout(timer);
  timer = setTimeout(() => {
    settings.ask($("sentence").value, view.left());
    ask();
  }, 200);
});
$("parts").addEventListener("change", () => {
  settings.ask(typed ? $("sentence").value : "", view.left());
  if (here()) mine();
  view.switched();
  ask();
  zeroed();
});

// Files.

function save(name, data) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([data]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const largestRows = 5e6; // bytes that the text field still takes

/** take sorts out what was dropped, each with its path: rows of one's own, or an adapter. */
async function take(files) {
  const named = (ending) => files.find((f) => ending.test(f.path));
  const adapters = files.filter((f) => /(^|\/)(adapter_[^/]*|run\.json)$|\.zip$/i.test(f.path));
  const weights = named(/\.(safetensors|bin)$/i);
  const table = named(/\.(xlsx?|ods|numbers|parquet)$/i);
  const own = named(/train[^/]*\.(csv|tsv|txt|json|jsonl|ndjson)(\.gz)?$/i) ?? named(/\.(csv|tsv|txt|json|jsonl|ndjson)(\.gz)?$/i);
  try {
    if (adapters.length > 0 || weights) {
      const list = await Promise.all((adapters.length > 0 ? adapters : [weights]).map(async ({ path, blob }) =>
        ({ name: path, data: new Uint8Array(await blob.arrayBuffer()) })));
      return withModel(() => send("import", { files: list }));
    }
    if (table) return say(`${table.path} cannot be read here: save it as CSV and drop that.`, "error");
    if (!own) return say(`${files[0]?.path ?? "What was dropped"} is none of what is read here: rows (.csv, .tsv, .json, .jsonl, .txt), an adapter, or a model’s folder.`, "error");
    if ($("form").disabled) return say("A run is under way: stop it first, then drop the rows again.", "error");
    const bytes = await rows.bytes(own.path, own.blob, largestRows);
    if (!bytes) return say(`${own.path} is too large for a page: it takes ${largestRows / 1e6} MB of rows. dept train reads files of any size.`, "error");
    $("task").value = settings.own;
    settings.choose();
    say(rows.opened(own.path, bytes));
    changed();
  } catch (e) {
    say(`What was dropped cannot be read: ${e.message}`, "error");
  }
}

const withPaths = (list) => [...list].map((f) => ({ path: f.name, blob: f }));

$("rows-file").onchange = async ({ target }) => {
  await take(withPaths(target.files));
  target.value = ""; // so that the same file can be chosen again
};
$("download").onclick = () => send("export");
$("upload").onchange = async ({ target }) => {
  await take(withPaths(target.files));
  target.value = ""; // so that the same file can be chosen again
};
addEventListener("dragover", (e) => {
  if (!e.dataTransfer.types.includes("Files")) return;
  e.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", (e) => {
  if (!e.relatedTarget) document.body.classList.remove("dropping");
});
addEventListener("drop", async (e) => {
  document.body.classList.remove("dropping");
  if (e.dataTransfer.files.length === 0) return;
  e.preventDefault();
  const files = await models.dropped(e.dataTransfer);
  if (!models.isModel(files)) return take(files);
  if ($("form").disabled) return say("A run is under way: stop it first, then drop the model again.", "error");
  models.take(files);
});

// The recorded run: something to see from the first moment on, and all that those
// see who cannot train.

let live = true; // the page shows the visitor's own run
let methods = []; // as the worker describes them
let credit = ""; // of the recording
let stopPlaying = null; // while it plays

function watch() {
  stopPlaying?.();
  stopPlaying = play("recorded.json", {
    begin({ ready, methods, made }) {
      live = false;
      view.reset();
      view.know(methods);
      credit = `A recorded run, made on ${ready.device.name} on ${made}.`;
      controls();
    },
    show(m) {
      if (m.type === "answer" && typed) return; // it is of another sentence
      view.show(m);
      if (m.type === "answer") $("sentence").value = m.text;
    },
    end() {
      stopPlaying = null;
      controls();
    },
  });
}

/** stranded plays the recording where there is nothing else to see. */
function stranded() {
  if (live && view.empty()) watch();
  controls();
}

/** mine leaves the recording for the visitor's own run. */
function mine() {
  stopPlaying?.();
  stopPlaying = null;
  if (live) return;
  live = true;
  view.know(methods);
  suggest();
  fresh();
  controls();
  ask();
}

$("watch").onclick = () => {
  if (!stopPlaying) return watch();
  stopPlaying();
  stopPlaying = null;
  controls();
};

watch();
