// The article's figures by name. Each is a component of what there is to show, the same
// in the build, which draws what is seen before anything moves, and on the page.
import { Ask } from "./figures/ask.jsx";
import { Attention } from "./figures/attention.jsx";
import { Factors } from "./figures/factors.jsx";
import { Near } from "./figures/near.jsx";
import { Path } from "./figures/path.jsx";

export const figures = { ask: Ask, path: Path, near: Near, attention: Attention, factors: Factors };
