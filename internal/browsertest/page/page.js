// Runs the test binary in this window or in a dedicated worker, as the server's
// config.json says. Its output goes to console.log, its exit code to
// console.info, which is how the Go side knows it from them.
"use strict";

addEventListener("load", async () => {
  const config = await (await fetch("config.json")).json();
  if (!config.worker) {
    console.info(await run(config, console.log));
    return;
  }
  const worker = new Worker("run.js");
  worker.onerror = (e) => console.error(e.message);
  worker.onmessage = ({ data }) => ("line" in data ? console.log(data.line) : console.info(data.code));
  worker.postMessage(config);
});
