// What the article's figures show: a recorded run to begin with, then whatever the model
// in the tab does.
import recording from "../article/recording.json";
import { unpack } from "./recording.js";

/** looked reads the worker's message of that name as it was recorded. */
function looked(m) {
  if (!m) return null;
  const read = (a) => (a?.packed === undefined ? (a ?? []) : unpack(a.packed, a.largest));
  const attention = m.attention && { ...m.attention, values: read(m.attention.values) };
  return { ...m, ...Object.fromEntries(["embeddings", "prompt", "a", "b"].map((name) => [name, Array.from(read(m[name]))])), attention };
}

/**
 * start is what is there before anything has happened:
 *
 *	live      the model in the tab answers; otherwise all is recorded
 *	device    its name
 *	seen      look and answers are the model's in the tab; grown, frames are
 *	status    still, loading, ready, training or failed
 *	said      a sentence about it
 *	sentence  that is asked; its answers by variant, and look, what the worker sees in it
 *	frames    of a run that grows A and B: {step, loss, look}; frame is the one that is shown;
 *	          growing, they are of the run under way
 *	examples  rows of the task, once the worker has said them
 *	run       the last run: {name, values, step, steps, losses, accuracy, parts, done}
 */
export function start() {
  const { sentence, answers, look, frames } = recording;
  const grown = frames.map((f) => ({ ...f, look: looked({ ...look, ...f.look }) }));
  return {
    live: false, device: "", seen: false, grown: false, growing: false, status: "still", said: "",
    sentence, answers, look: looked(look), frames: grown, frame: grown.length - 1, examples: [], run: null,
  };
}
