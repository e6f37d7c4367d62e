// Runs on record: the worker's messages with the time at which they came. The page
// opened with ?record saves recorded.json after a comparison. For a new one, of the
// page's own settings, in the repository's root:
//
//	DEPT_RECORDING=new go test ./internal/pagetest

import { tag } from "./build.js";

const played = new Set(["plan", "step", "evaluation", "sample", "parts", "done", "comparison", "answer"]);
const pictures = 40; // kept of a run, at most

/** newRecorder collects what a replay needs. */
export function newRecorder() {
  let messages = [];
  let ready = null;
  let methods = []; // with the rates alone of their settings
  let twin = false; // the run is the second of a comparison
  let apart = 0; // steps between two pictures
  let next = 0; // step of a picture that is kept
  return {
    add(m) {
      if (m.type === "ready") ready = m;
      if (m.type === "tasks") methods = m.methods.map((info) => ({ ...info, settings: info.settings.filter((s) => s.rate) }));
      if (!played.has(m.type)) return;
      if (m.type === "plan") [twin, apart, next] = [m.twin, m.settings.steps / pictures, 0];
      if (m.type === "plan" && !twin) messages = messages.filter((a) => a.type === "answer").slice(-1); // a new run
      if (m.type === "sample") {
        if (twin || m.step < next) return;
        next = m.step + apart;
      }
      messages.push({ at: Math.round(performance.now()), ...m });
    },
    /** text is the recording as a file. */
    text() {
      const start = messages[0]?.at ?? 0;
      const short = (_, v) => (typeof v === "number" && !Number.isInteger(v) ? Number(v.toPrecision(5)) : v);
      const lines = messages.map((m) => {
        const heat = m.heat && { ...m.heat, values: pack(m.heat.values) };
        const unshown = { confusion: undefined, wrong: undefined }; // which JSON leaves out
        return JSON.stringify({ ...m, ...unshown, heat, at: m.at - start }, short);
      });
      return `{"ready": ${JSON.stringify(ready)},\n"methods": ${JSON.stringify(methods)},\n"made": ${JSON.stringify(new Date().toISOString().slice(0, 10))},\n"messages": [\n${lines.join(",\n")}\n]}\n`;
    },
  };
}

/** pack writes values as signed bytes in base64: 127 is the largest. */
export function pack(values) {
  const largest = values.reduce((a, v) => Math.max(a, Math.abs(v)), 0) || 1;
  return btoa(String.fromCharCode(...Uint8Array.from(values, (v) => Math.round((v / largest) * 127))));
}

/** unpack reads what pack has written. */
export function unpack(text, largest) {
  const bytes = Int8Array.from(atob(text), (c) => c.charCodeAt(0));
  return Float32Array.from(bytes, (v) => (v / 127) * largest);
}

/**
 * play fetches a recorded run and shows it, faster than it was: `begin` gets what
 * it says of itself, `show` its messages, `end` is called last. It returns a
 * function that stops it. Those who want no motion get the whole at once.
 */
export function play(url, { begin, show, end }) {
  const lasts = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 25; // seconds
  let stopped = false;
  let timer = 0;
  async function start() {
    const { ready, methods, made, messages } = await (await fetch(url + tag)).json();
    if (stopped) return;
    begin({ ready, methods, made });
    const speed = messages.at(-1).at / (1000 * lasts || 1);
    const started = performance.now();
    let next = 0;
    timer = setInterval(() => {
      const now = (performance.now() - started) * speed;
      for (; next < messages.length && messages[next].at <= now; next++) {
        const m = messages[next];
        show(m.heat ? { ...m, heat: { ...m.heat, values: unpack(m.heat.values, m.heat.largest) } } : m);
      }
      if (next < messages.length) return;
      clearInterval(timer);
      end();
    }, 50);
  }
  start().catch(console.error);
  return () => {
    stopped = true;
    clearInterval(timer);
  };
}
