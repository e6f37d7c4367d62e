// The article: figures that the build has drawn come to life.
import { h, hydrate, render } from "preact";
import { figures, source } from "./figures.js";
import { connect } from "./live.js";
import { keepOffline } from "./offline.js";
import * as lessons from "./lessons.js";
import { record } from "./record.js";
import { start } from "./state.js";

const words = JSON.parse(document.getElementById("figure-words").textContent);
const state = start();
const act = connect(state, words, change);

const drawn = new Map(); // a figure's element → its component
let due = false;
let offline = false; // the browser is asked to keep the page

function change(patch) {
  Object.assign(state, patch);
  if (!due) requestAnimationFrame(draw);
  due = true;
}

function draw() {
  due = false;
  for (const [element, figure] of drawn) render(h(figure, { state, words, act }), element);
  sources();
  lessons.show(state);
  if (state.live && !offline) {
    offline = true; // once there is more to keep than text
    keepOffline(document.getElementById("offline"), words.offline);
  }
}

/** sources says below each figure where what it shows comes from, and at the end how the model is. */
function sources() {
  for (const figure of document.querySelectorAll("figure[data-figure]")) figure.querySelector(".source").textContent = source(figure.dataset.figure, state, words);
  const said = document.getElementById("said");
  document.body.dataset.status = state.status;
  said.textContent = [state.said || words[`status-${state.status}`], state.status === "training" && `${state.run.step} / ${state.run.steps}`].filter(Boolean).join(" ");
}

// Made anew, as record.js says.
if (new URLSearchParams(location.search).has("record")) {
  const file = new Blob([await record((said) => change({ said }))]);
  Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: "recording.json" }).click();
}

// One figure alone, where another page frames it: ?figure=NAME.
const alone = new URLSearchParams(location.search).get("figure");
if (alone && figures[alone]) {
  document.body.classList.add("alone");
  document.getElementById(`figure-${alone}`).classList.add("shown");
}

for (const element of document.querySelectorAll("figure[data-figure]")) {
  const picture = element.querySelector(".picture");
  const figure = figures[element.dataset.figure];
  hydrate(h(figure, { state, words, act }), picture);
  drawn.set(picture, figure);
}
lessons.start(state, words, act);
sources();

// The model is fetched when a figure is about to be seen, and not before.
const near = new IntersectionObserver((entries) => {
  if (!entries.some((e) => e.isIntersecting)) return;
  near.disconnect();
  act.begin();
}, { rootMargin: "200px" });
for (const element of document.querySelectorAll("figure[data-figure], .lesson")) near.observe(element);
