// The model behind the article: one worker, begun when a figure that it moves comes into
// sight, with a prompt that was trained before the reader came.
import { asked } from "./figures/ask.jsx";
import { startEngine } from "./engine.js";
import recording from "../article/recording.json";

/**
 * connect makes the model of a state. `change` takes what is new of it. It returns what a
 * reader can do.
 */
export function connect(state, words, change) {
  let send = null;
  let task = null; // the first of the page's own
  let question = 0; // the newest
  let answers = new Map(); // variant by question
  let looking = false; // at a step of the run
  let ended = null; // what waits for the run's end
  let steered = false; // the adapter is the one that was trained before
  let listed = null; // sentences that are asked together: {texts, then, answers, ids}

  const say = (status, said) => change({ status, said });

  const heard = {
    tasks({ tasks }) {
      task = tasks[0];
      change({ status: "loading", examples: task.examples });
      send("load", { model: "" });
    },
    progress({ unit, done, total }) {
      if (unit === "bytes" && state.status === "loading") change({ said: words["status-fetching"].replace("%", (done / 1e6).toFixed(1)).replace("%", (total / 1e6).toFixed(1)) });
    },
    ready({ device }) {
      change({ device: device.name, live: true });
      steer();
    },
    imported() {
      steered = true;
      say("ready", "");
      ask(state.sentence);
      if (listed) list();
    },
    answer(a) {
      if (listed?.ids.has(a.id)) {
        listed.answers[listed.ids.get(a.id)] = a.answer;
        listed.ids.delete(a.id);
        if (listed.ids.size > 0) return;
        const { then, answers } = listed;
        listed = null;
        return then(answers);
      }
      const { name, before = "" } = answers.get(a.id) ?? {};
      answers.delete(a.id);
      if (name && a.text === before + state.sentence) change({ answers: { ...state.answers, [name]: a } });
    },
    looked(m) {
      if (state.status !== "training") {
        if (m.text === state.sentence) change({ look: m, seen: true });
        return;
      }
      looking = false;
      if (state.run.name !== "factors") return;
      // The last run's are seen until there is one of this.
      const frames = [...(state.growing ? state.frames : []), { step: state.run.step, loss: state.run.losses.at(-1)?.[1] ?? 0, look: m }];
      change({ frames, frame: frames.length - 1, grown: true, growing: true });
    },
    step({ step, loss }) {
      change({ run: { ...state.run, step, losses: [...state.run.losses, [step, loss]] } });
    },
    sample() {
      if (looking || state.run?.name !== "factors") return;
      looking = true;
      send("look", { id: ++question, text: state.sentence, task: task.name, attention: false });
    },
    evaluation({ accuracy, rows }) {
      change({ run: { ...state.run, accuracy, rows } });
    },
    parts({ scores }) {
      change({ run: { ...state.run, parts: scores } });
    },
    done({ accuracy, stopped }) {
      looking = false;
      change({ status: "ready", run: { ...state.run, accuracy, stopped, done: true } });
      ask(state.sentence);
      ended?.();
      ended = null;
    },
    error(e) {
      if (e.during === "start" || e.during === "load") return change({ live: false, status: "failed", said: `${e.message} ${e.remedy}` });
      say(state.status === "training" ? "ready" : state.status, `${e.message} ${e.remedy}`);
      ended?.();
      ended = null;
    },
  };

  /** steer gives the model the prompt that was trained before. */
  function steer() {
    send("import", { files: [{ name: "adapter.zip", data: Uint8Array.from(atob(recording.adapter), (c) => c.charCodeAt(0)) }] });
  }

  /** ask has a sentence answered by each variant, and looked at. */
  function ask(text) {
    if (!state.live || text.trim() === "") return;
    answers = new Map();
    for (const variant of asked) {
      answers.set(++question, variant);
      send("predict", { id: question, text: (variant.before ?? "") + text, task: task.name, without: variant.without });
    }
    send("look", { id: ++question, text, task: task.name, attention: true });
  }

  /** list asks the sentences that are asked together. */
  function list() {
    listed.texts.forEach((text, i) => {
      listed.ids.set(++question, i);
      send("predict", { id: question, text, task: task.name, without: [] });
    });
  }

  let timer = 0;
  return {
    /** begin loads the model, once. */
    begin() {
      if (send) return;
      say("loading", "");
      send = startEngine((m) => heard[m.type]?.(m));
    },
    type(sentence) {
      change({ sentence });
      clearTimeout(timer);
      timer = setTimeout(() => ask(sentence), 200);
    },
    /** train begins a run of the task with some of the method's settings, and calls `then` at its end. */
    train(name, values, common = {}, then = null) {
      ended = then;
      steered = false;
      const settings = { ...task.settings, ...common, values: { ...task.settings.values, ...values } };
      change({ status: "training", said: "", growing: false, run: { name, values, step: 0, steps: settings.steps, losses: [] } });
      send("train", { settings, paused: false });
    },
    stop() {
      send("stop");
    },
    frame(frame) {
      change({ frame });
    },
    /** ask has the trained prompt answer sentences, and calls `then` with the answers. */
    ask(texts, then) {
      listed = { texts, then, ids: new Map(), answers: [] };
      if (steered) return list();
      send("reset");
      steer();
    },
  };
}
