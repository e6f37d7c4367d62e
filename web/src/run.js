// Shows a run of dept train while it goes on: dept serve --watch sends the lines of
// its log.jsonl over a websocket.
import { chart } from "./charts.js";

const $ = (id) => document.getElementById(id);
const loss = chart($("loss-chart"), { title: "Loss" });
const evaluations = chart($("eval-chart"), { percent: true, title: "Score on the dev rows" });
const norm = chart($("norm-chart"), { log: true, title: "Gradient norm", styles: ["second"] });

function line(x) {
  if (x.begin) {
    for (const c of [loss, evaluations, norm]) c.clear();
  } else if (x.metrics) {
    const [name, score] = Object.entries(x.metrics)[0];
    evaluations.add(x.step, { score: Math.max(0, score) });
    $("status").textContent = `Step ${x.step}: ${name} ${score.toFixed(4)} on ${x.rows} rows.`;
  } else {
    loss.add(x.step, { loss: x.loss });
    norm.add(x.step, { norm: x.grad_norm });
    $("status").textContent = `Step ${x.step}: loss ${x.loss.toFixed(4)} after ${Math.round(x.seconds)} seconds.`;
  }
}

function connect() {
  const socket = new WebSocket(new URL("run", location.href).href.replace(/^http/, "ws"));
  socket.onmessage = ({ data }) => line(JSON.parse(data));
  socket.onclose = () => {
    $("status").textContent = "The server has gone; this page tries again. Start it with dept serve --watch and the run's folder.";
    setTimeout(connect, 2000);
  };
}
connect();
