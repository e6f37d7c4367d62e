// The article's figures by name. Each is a component of what there is to show, the same
// in the build, which draws what is seen before anything moves, and on the page.
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
