// Draws every figure of the article as it is before anything moves, for the build: words
// come in as JSON, HTML by a figure's name goes out.
import { text } from "node:stream/consumers";
import { h } from "preact";
import { render } from "preact-render-to-string";
import { figures } from "./figures.js";
import { start } from "./state.js";

const words = JSON.parse(await text(process.stdin));
const state = start();
const drawn = {};
for (const [name, figure] of Object.entries(figures)) drawn[name] = render(h(figure, { state, words, act: {} }));
process.stdout.write(JSON.stringify(drawn));
