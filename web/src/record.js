// The article's recording, made anew by its page opened with ?record: the run of the
// page's first task, what the model answers and sees then, and a run with rank 1. In the
// repository's root:
//
//	DEPT_RECORDING=new go test ./internal/pagetest -run TestArticle
import { asked } from "./figures/ask.jsx";
import { startEngine } from "./engine.js";
import { pack } from "./recording.js";

const pictures = 24; // kept of a run, at most
const digits = (x) => Number(x.toPrecision(5));
const packed = (values) => ({ packed: pack(values), largest: digits(Math.max(...values.map(Math.abs), 0)) });

/** record makes the recording and resolves to it as a file's text. */
export async function record(say) {
  const waiting = [];
  const send = startEngine((m) => {
    if (m.type === "error") say(`${m.message} ${m.remedy}`);
    for (const w of waiting.filter((w) => w.type === m.type)) {
      waiting.splice(waiting.indexOf(w), 1);
      w.resolve(m);
    }
    during?.(m);
  });
  let during = null; // hears everything in a run
  const next = (type) => new Promise((resolve) => waiting.push({ type, resolve }));
  const ask = (type, fields, reply) => {
    const answer = next(reply);
    send(type, fields);
    return answer;
  };

  const { tasks: [task] } = await next("tasks");
  const ready = await ask("load", { model: "" }, "ready");
  let sentence = task.examples[0].text;
  const look = async (attention) => {
    const m = await ask("look", { id: 1, text: sentence, task: task.name, attention }, "looked");
    return { ...m, embeddings: packed(m.embeddings), prompt: packed(m.prompt), a: packed(m.a), b: packed(m.b), attention: m.attention && { ...m.attention, values: packed(m.attention.values) } };
  };

  say("The run.");
  const scored = next("parts");
  const { accuracy } = await ask("train", { settings: task.settings }, "done");
  const { scores: parts } = await scored;
  const { data } = await ask("export", {}, "adapter");
  // A sentence that shows what both parts are for: the prompt alone answers it wrong.
  for (const { text, label } of task.examples) {
    const { answer: short } = await ask("predict", { id: 1, text, task: task.name, without: ["A·B"] }, "answer");
    const { answer: whole } = await ask("predict", { id: 1, text, task: task.name, without: [] }, "answer");
    if (short === label || whole !== label) continue;
    sentence = text;
    break;
  }
  const answers = {};
  for (const { name, without, before = "" } of asked) {
    const { answer, scores } = await ask("predict", { id: 1, text: before + sentence, task: task.name, without }, "answer");
    answers[name] = { answer, scores: scores.map(({ label, probability }) => ({ label, probability: digits(probability) })) };
  }
  const seen = await look(true);

  say("The run with rank 1.");
  const frames = [];
  let loss = 0;
  let kept = -Infinity; // the step of the last picture
  const take = async (step) => {
    if (step < kept + task.settings.steps / pictures) return;
    kept = step;
    const { prompt, a, b, rank, scale } = await look(false);
    frames.push({ step, loss: digits(loss), look: { prompt, a, b, rank, scale } });
  };
  during = (m) => {
    if (m.type === "step") loss = m.loss;
    if (m.type === "sample") take(m.step);
  };
  await ask("train", { settings: { ...task.settings, values: { ...task.settings.values, rank: 1 } } }, "done");
  during = null;
  kept = -Infinity;
  await take(task.settings.steps);
  return JSON.stringify({
    made: new Date().toISOString().slice(0, 10), ready, task: task.name, values: task.settings.values, accuracy, parts, sentence, answers,
    adapter: btoa(String.fromCharCode(...data)), look: seen, frames,
  }, null, 1) + "\n";
}
