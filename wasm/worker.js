// The worker in which dept.wasm runs: it starts the program, hands it the page's
// messages and passes its own on. If the program ends, which it only does when
// memory runs out or by a bug, it is started anew, with nothing loaded.
"use strict";

const tag = location.search; // the build's version, as web/src/build.js has it

importScripts(`wasm_exec.js${tag}`);

let waiting = []; // what came before the program listened
let hear = (message) => waiting.push(message);
onmessage = ({ data }) => hear(data);

globalThis.dept = {
  post: (message) => postMessage(message),
  listen(receive) {
    hear = receive;
    for (const message of waiting.splice(0)) receive(message);
  },
};

// The runtime's last words, which tell why it ended.
let words = "";
const { writeSync } = globalThis.fs;
globalThis.fs.writeSync = function (fd, bytes) {
  words = (words + new TextDecoder().decode(bytes)).slice(-4096);
  return writeSync.call(this, fd, bytes);
};

async function compile() {
  const response = await fetch(`dept.wasm${tag}`);
  if (!response.ok) throw new Error(`dept.wasm: the server answers ${response.status}`);
  // Some servers do not know the type that compiling while loading asks for.
  return response.headers.get("Content-Type") === "application/wasm"
    ? WebAssembly.compileStreaming(response)
    : WebAssembly.compile(await response.arrayBuffer());
}

function fail(code, message, remedy) {
  postMessage({ type: "error", code, during: "start", id: 0, message, remedy });
}

async function run(module) {
  const go = new Go();
  go.exit = () => {};
  const instance = await WebAssembly.instantiate(module, go.importObject);
  words = "";
  try {
    await go.run(instance);
  } catch (e) {
    words += e;
  }
  hear = (message) => waiting.push(message);
  if (/out of memory|memory access out of bounds/i.test(words)) {
    fail("memory", "The tab has no memory left, and the program was started anew.", "Load the model again, and choose a smaller batch or shorter texts.");
  } else {
    fail("bug", "The program ended in a way it should not, and was started anew.", "Please report this with the settings you used; load the model again to go on.");
  }
}

(async () => {
  let module;
  try {
    module = await compile();
  } catch (e) {
    fail("network", `The page's program could not be loaded: ${e.message}.`, "Check the connection and reload the page.");
    return;
  }
  for (;;) {
    const started = performance.now();
    await run(module);
    if (performance.now() - started < 1000) return; // it would never come up
  }
})();
