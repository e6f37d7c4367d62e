// The article's figures by name. Each is a component of what there is to show, the same
// in the build, which draws what is seen before anything moves, and on the page.
import numbers from "../article/numbers.json";
import recording from "../article/recording.json";
import { Ask } from "./figures/ask.jsx";
import { Attention } from "./figures/attention.jsx";
import { Cost } from "./figures/cost.jsx";
import { Explorer } from "./figures/explorer.jsx";
import { Factors } from "./figures/factors.jsx";
import { Near } from "./figures/near.jsx";
import { Parts } from "./figures/parts.jsx";
import { Path } from "./figures/path.jsx";
import { Sizes } from "./figures/sizes.jsx";

export const figures = {
  ask: Ask, path: Path, near: Near, attention: Attention, factors: Factors, parts: Parts, explorer: Explorer, cost: Cost, sizes: Sizes,
};

// Of figures that the model in the tab does not move: their group in numbers.json.
const measured = { parts: "place", explorer: "grid", cost: "step", sizes: "sizes" };

/** source says where what a figure shows comes from. */
export function source(name, state, words) {
  const say = (word, ...values) => values.reduce((text, value) => text.replace("%", value), words[word]);
  const made = numbers.made[measured[name]];
  const recorded = say("source-recorded", recording.ready.device.name, recording.made);
  if (made) {
    const measured = say("source-measured", made.command, made.date) + (made.adapter ? ` ${say("source-on", made.adapter)}` : "");
    return name === "parts" ? say("source-pair", measured, state.run?.name === "parts" ? say("source-live", state.device) : recorded) : measured;
  }
  return (name === "factors" ? state.grown : state.seen) ? say("source-live", state.device) : recorded;
}
