// Draws every figure of the article as it is before anything moves, for the build: words
// come in as JSON, by each figure's name its HTML goes out, and a sentence on
// where that comes from.
import { text } from "node:stream/consumers";
import { h } from "preact";
import { render } from "preact-render-to-string";
import { figures, source } from "./figures.js";
import { start } from "./state.js";

const words = JSON.parse(await text(process.stdin));
const state = start();
const drawn = {};
for (const [name, figure] of Object.entries(figures)) {
  drawn[name] = { picture: render(h(figure, { state, words, act: {} })), source: source(name, state, words) };
}
process.stdout.write(JSON.stringify(drawn));
