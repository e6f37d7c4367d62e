// dept.mjs trains and asks a T5 in anybody's page. The work is done by worker.js beside it,
// with which it exchanges the messages of wasm/messages.go; dept.d.mts has its types.

const tag = new URL(import.meta.url).search; // a version, if the page asks for one

/** An error of the worker's, with what to do about it. */
export class DeptError extends Error {
  constructor({ code, during = "", message, remedy = "" }) {
    super(message);
    this.name = "DeptError";
    this.code = code;
    this.during = during;
    this.remedy = remedy;
  }
}

/** load opens a model: by its folder's address, its files, or its name on a hub. */
export async function load(model = "", { hub = "", onprogress, signal } = {}) {
  signal?.throwIfAborted();
  const worker = new Dept();
  const abort = () => worker.end(signal.reason);
  signal?.addEventListener("abort", abort);
  try {
    const ready = await worker.ask("ready", { type: "load", unkept: true, hub, ...place(model, hub) }, { progress: onprogress });
    return new Model(worker, ready);
  } catch (e) {
    worker.end(e);
    throw e;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

function place(model, hub) {
  if (model instanceof URL || typeof model === "string") {
    return { model: hub || model === "" ? model : new URL(model, document.baseURI).href };
  }
  const files = Array.from(model, (f) => ({ path: f.webkitRelativePath || f.name, blob: f }));
  if (files.length === 0) {
    throw new DeptError({ code: "file", during: "load", message: "There are no files to load a model from.", remedy: "Give config.json, tokenizer.json and model.safetensors." });
  }
  return { files };
}

/** The settings of a run; the worker has defaults for what is empty. */
const defaults = {
  method: "dept", values: {}, maxSourceLength: 0, warmup: 0, steps: 100, batch: 8, seed: 0, evalEvery: 0,
  answer: "", textColumn: "", labelColumn: "", labels: "", heldBack: 0,
};

/** A model on the device, and the adapter that was trained or imported last. */
class Model {
  #worker;
  #values;
  #training = false;

  constructor(worker, { device, model, notice, values }) {
    this.#worker = worker;
    this.#values = values;
    this.device = device;
    this.about = model;
    this.notice = notice;
    this.methods = worker.methods;
  }

  async train(rows, options = {}) {
    const { signal, onplan, onstep, onevaluation, ...given } = options;
    signal?.throwIfAborted();
    const unknown = Object.keys(given).find((name) => !(name in defaults));
    if (unknown) {
      throw new DeptError({ code: "settings", during: "train", message: `There is no option ${unknown}.`, remedy: `There are ${Object.keys(defaults).join(", ")}.` });
    }
    if (this.#training) {
      throw new DeptError({ code: "order", during: "train", message: "A run is under way.", remedy: "Wait until it ends, or abort it." });
    }
    this.#training = true;
    let ended;
    const abort = () => {
      // The second one leaves the evaluation out.
      this.#worker.post({ type: "stop" });
      this.#worker.post({ type: "stop" });
    };
    try {
      const settings = { ...defaults, ...table(rows), ...given };
      settings.values = { ...this.#values[settings.method], ...given.values };
      if (!settings.maxSourceLength) {
        const { suggested } = await this.#worker.ask("surveyed", { type: "survey", settings });
        settings.maxSourceLength = suggested || 64;
        signal?.throwIfAborted();
      }
      const run = this.#worker.ask("done", { type: "train", settings }, {
        plan: onplan,
        step: onstep,
        evaluation: (e) => {
          ended = e;
          onevaluation?.(e);
        },
      });
      signal?.addEventListener("abort", abort);
      const { method, step, stopped, accuracy, seconds, cut } = await run;
      signal?.throwIfAborted();
      return { method, step, stopped, accuracy, seconds, cut, evaluation: ended };
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#training = false;
    }
  }

  predict(text, { without = [] } = {}) {
    return this.#worker.ask("answer", { type: "predict", id: this.#worker.next(), text, without });
  }

  async export() {
    const { name, data } = await this.#worker.ask("adapter", { type: "export" });
    return new File([data], name, { type: "application/zip" });
  }

  async import(files) {
    const read = async (f) => ({ name: f.webkitRelativePath || f.name, data: new Uint8Array(await f.arrayBuffer()) });
    return this.#worker.ask("imported", { type: "import", files: await Promise.all(Array.from(files, read)) });
  }

  close() {
    this.#worker.end(new DeptError({ code: "cancelled", message: "The model was closed.", remedy: "Load it again." }));
  }
}

/** table is rows as the settings have them. */
function table(rows) {
  return typeof rows === "string" ? { rows } : { rows: JSON.stringify(Array.from(rows)), textColumn: "text", labelColumn: "label" };
}

/** The worker, and who waits for what it says. */
class Dept {
  #worker = new Worker(new URL(`worker.js${tag}`, import.meta.url));
  #waiting = []; // {reply, during, id, hear, resolve, reject}, oldest first
  #ended; // why nothing can be asked any more
  #id = 0;
  methods = [];

  constructor() {
    this.#worker.onmessage = ({ data }) => this.#hear(data);
    this.#worker.onerror = (e) => {
      e.preventDefault();
      this.end(new DeptError({
        code: "network", during: "start",
        message: `worker.js could not be started${e.message ? `: ${e.message}` : ""}.`,
        remedy: "Serve the whole folder of the build from the page's own server, and allow it in the page's Content-Security-Policy.",
      }));
    };
  }

  next() {
    return ++this.#id;
  }

  post(message) {
    if (!this.#ended) this.#worker.postMessage(message);
  }

  /** ask posts a message and waits for its reply; hear gets messages of other types meanwhile. */
  ask(reply, message, hear = {}) {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ reply, during: message.type, id: message.id ?? 0, hear, resolve, reject });
      this.#worker.postMessage(message);
    });
  }

  end(reason) {
    if (this.#ended) return;
    this.#ended = reason;
    this.#worker.terminate();
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
  }

  #hear({ type, ...m }) {
    if (type === "tasks") this.methods = m.methods;
    const failed = type === "error";
    if (failed && m.during === "start") {
      this.end(new DeptError(m));
      return;
    }
    const i = this.#waiting.findIndex((w) => w.id === (m.id ?? 0) && (failed ? w.during === m.during : w.reply === type));
    if (i >= 0) {
      const [{ resolve, reject }] = this.#waiting.splice(i, 1);
      if (failed) reject(new DeptError(m));
      else resolve(m);
    } else {
      for (const { hear } of this.#waiting) hear[type]?.(m);
    }
  }
}
