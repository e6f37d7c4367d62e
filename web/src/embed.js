// What embed.html does with dept.mjs: it loads the model beside it, trains on the rows,
// answers, and offers the adapter.
import { load, DeptError } from "./dept.mjs";

/** @template {HTMLElement} E @param {string} id @param {new () => E} type @returns {E} */
function find(id, type) {
  const e = document.getElementById(id);
  if (e instanceof type) return e;
  throw new Error(`the page has no ${id}`);
}

const rows = find("rows", HTMLTextAreaElement);
const train = find("train", HTMLButtonElement);
const stop = find("stop", HTMLButtonElement);
const progress = find("progress", HTMLProgressElement);
const status = find("status", HTMLOutputElement);
const ask = find("ask", HTMLFormElement);
const text = find("text", HTMLInputElement);
const answer = find("answer", HTMLOutputElement);
const download = find("download", HTMLAnchorElement);

/** @param {unknown} e */
function fail(e) {
  status.value = e instanceof DeptError ? `${e.message} ${e.remedy}` : String(e);
}

try {
  const model = await load("model", {
    onprogress({ done, total }) {
      if (total) progress.value = done / total;
    },
  });
  status.value = `Ready on ${model.device.name}.`;
  train.disabled = false;
  for (const e of ask.querySelectorAll("button")) e.disabled = false;

  train.onclick = async () => {
    const run = new AbortController();
    train.disabled = true;
    stop.disabled = false;
    stop.onclick = () => run.abort("Stopped.");
    try {
      const { accuracy, step } = await model.train(rows.value, {
        steps: 20, values: { "prompt-length": 4, rank: 8 }, signal: run.signal,
        onstep({ step, steps, loss }) {
          progress.value = step / steps;
          status.value = `step ${step} of ${steps}, loss ${loss.toFixed(3)}`;
        },
      });
      status.value = `Done after ${step} steps: ${(100 * accuracy).toFixed(0)} % of the rows held back are right.`;
    } catch (e) {
      fail(e);
    }
    train.disabled = false;
    stop.disabled = true;
    try {
      const file = await model.export();
      download.href = URL.createObjectURL(file);
      download.download = file.name;
      download.hidden = false;
    } catch (e) {
      fail(e); // no adapter yet
    }
  };

  ask.onsubmit = async (e) => {
    e.preventDefault();
    try {
      answer.value = (await model.predict(text.value)).answer;
    } catch (e) {
      fail(e);
    }
  };
} catch (e) {
  fail(e);
}
