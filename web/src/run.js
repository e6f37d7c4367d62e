// Shows a run of dept train while it goes on: dept serve --watch sends the lines of
// its log.jsonl over a websocket.
import { chart, time } from "./charts.js";

const $ = (id) => document.getElementById(id);
const loss = chart($("loss-chart"), { title: "Loss" });
const evaluations = chart($("eval-chart"), { percent: true, title: "Score on the dev rows" });
const norm = chart($("norm-chart"), { log: true, title: "Gradient norm", styles: ["second"] });

const pace = 20; // steps that tell how long the rest takes
let steps = 0; // of the run; 0 where nobody knows
let last = []; // the newest ones

/** left says how long the steps to come take, at the pace of the last ones. */
function left() {
  const [first, now] = [last[0], last.at(-1)];
  if (!(steps > now.step) || last.length < 2) return "";
  return `, about ${time(((now.seconds - first.seconds) / (now.step - first.step)) * (steps - now.step))} left`;
}

function line(x) {
  if (x.begin) {
    steps = x.steps;
    last = [];
    for (const c of [loss, evaluations, norm]) c.clear();
  } else if (x.metrics) {
    const [name, score] = Object.entries(x.metrics)[0];
    evaluations.add(x.step, { score: Math.max(0, score) });
    $("status").textContent = `Step ${x.step}: ${name} ${score.toFixed(4)} on ${x.rows} rows.`;
  } else {
    loss.add(x.step, { loss: x.loss });
    norm.add(x.step, { norm: x.grad_norm });
    last = [...last, x].slice(-pace - 1);
    $("status").textContent = `Step ${x.step}${steps > 0 ? ` of ${steps}` : ""}: loss ${x.loss.toFixed(4)} after ${time(x.seconds)}${left()}.`;
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
