// The budget explorer: accuracy by prompt length and rank, measured beforehand; any cell
// can be run again.
import { useState } from "preact/hooks";
import numbers from "../../article/numbers.json";

const percent = (x) => `${Math.round(x * 100)} %`;

export function Explorer({ state, words, act }) {
  const { cells, m: lengths, r: ranks, budget } = numbers.grid;
  const [chosen, choose] = useState({ m: numbers.model.m, r: numbers.model.r });
  const at = (m, r) => cells.find((c) => c.m === m && c.r === r);
  const cell = at(chosen.m, chosen.r);
  const name = `explorer ${chosen.m} ${chosen.r}`;
  const run = state.run?.name === name ? state.run : null;
  return (
    <div class="body two">
      <div class="scroll" tabindex="0" role="region" aria-label={words["explorer-label"]}>
        <table class="explorer">
          <caption>{words["explorer-label"]}</caption>
          <thead><tr><th scope="col"><i>m</i> \ <i>r</i></th>{ranks.map((r) => <th key={r} scope="col">{r}</th>)}</tr></thead>
          <tbody>
            {lengths.map((m) => (
              <tr key={m}>
                <th scope="row">{m}</th>
                {ranks.map((r) => {
                  const c = at(m, r);
                  if (!c) return <td key={r} />;
                  const here = m === chosen.m && r === chosen.r;
                  return (
                    <td key={r}>
                      <button type="button" class={`cell f${Math.round(c.accuracy * 10)}${here ? " here" : ""}${c.parameters > budget ? " over" : ""}`} aria-pressed={here} onClick={() => choose({ m, r })}>{c.parameters > budget ? `(${Math.round(c.accuracy * 100)})` : Math.round(c.accuracy * 100)}</button>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div>
        <p><b><i>m</i> = {chosen.m}, <i>r</i> = {chosen.r}</b></p>
        <dl class="facts">
          <dt>{words["explorer-parameters"]}</dt><dd>{cell.parameters.toLocaleString("en")}{cell.parameters > budget ? `, ${words["explorer-over"]}` : ""}</dd>
          <dt>{words["explorer-positions"]}</dt><dd>{cell.positions}</dd>
          <dt>{words["explorer-accuracy"]}</dt><dd>{percent(cell.accuracy)}{cell.seeds > 1 && ` ± ${Math.round(cell.sd * 100)}`}</dd>
          {run && <><dt>{words["explorer-here"]}</dt><dd>{run.done ? percent(run.accuracy) : `${run.step} / ${run.steps}`}</dd></>}
        </dl>
        <p class="line">
          <button type="button" disabled={!state.live || state.status !== "ready"} onClick={() => act.train(name, { "prompt-length": chosen.m, rank: chosen.r })}>{words["explorer-run"]}</button>{" "}
          {run && state.status === "training" && <button type="button" onClick={act.stop}>{words.stop}</button>}
        </p>
      </div>
    </div>
  );
}
