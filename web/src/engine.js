// The worker: a Go program that trains and answers; wasm/messages.go says what
// goes back and forth.
import { tag } from "./build.js";

/**
 * startEngine starts the worker, hands every message to onMessage and resolves
 * nothing: whatever fails arrives as a message of type error, too.
 */
export function startEngine(onMessage) {
  const worker = new Worker(`worker.js${tag}`);
  worker.onmessage = ({ data }) => onMessage(data);
  worker.onerror = (e) => {
    e.preventDefault();
    onMessage({
      type: "error", code: "bug", during: "start",
      message: `The page's program stopped: ${e.message || "it could not be loaded"}.`,
      remedy: "Reload the page; if that does not help, try a current version of your browser.",
    });
  };
  return (type, fields = {}) => worker.postMessage({ type, ...fields });
}
