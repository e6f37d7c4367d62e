// What each part is good for: trained alone, as measured; and counted as zero after a run, the
// recorded one or the reader's own.
import numbers from "../../article/numbers.json";
import recording from "../../article/recording.json";
import { Bars } from "./bars.jsx";

const variants = ["both", "AB", "P", "neither"];
const percent = (x) => `${Math.round(x * 100)} %`;

export function Parts({ state, words, act }) {
  const run = state.run?.name === "parts" ? state.run : null;
  const { accuracy, parts } = run ?? recording;
  const zeroed = parts && {
    both: accuracy,
    ...Object.fromEntries(parts.map(({ without, accuracy }) => [without.length > 1 ? "neither" : without[0] === "P" ? "AB" : "P", accuracy])),
  };
  const task = numbers.place["first-thing"];
  const rows = (of, kind) => variants.map((name) => ({ name: words[`parts-${name}`], value: of[name], kind: name === "both" ? kind : "other" }));
  return (
    <div class="body">
      <div class="two">
        <Bars caption={words["parts-alone"]} rows={rows(Object.fromEntries(variants.map((v) => [v, task[v] / 100])))} most={1} say={percent} />
        {zeroed && <Bars caption={words["parts-zeroed"]} rows={rows(zeroed)} most={1} say={percent} />}
        {run && !zeroed && <p>{run.step} / {run.steps}{run.losses.length > 0 && `, ${words.loss} ${run.losses.at(-1)[1].toFixed(2)}`}</p>}
      </div>
      <p class="line">
        <button type="button" disabled={!state.live || state.status !== "ready"} onClick={() => act.train("parts", {})}>{words["parts-run"]}</button>{" "}
        {run && state.status === "training" && <button type="button" onClick={act.stop}>{words.stop}</button>}
      </p>
    </div>
  );
}
