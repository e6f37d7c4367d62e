// Where the encoder looks: a block's attention, and how much of the text's goes to the prompt.
import { useState } from "preact/hooks";
import { Heat, largest } from "./heat.jsx";

export function Attention({ state, words }) {
  const [block, setBlock] = useState(0);
  const [head, setHead] = useState(0);
  const { look } = state;
  const a = look?.attention;
  if (!a) return <div class="body" />;
  const n = a.positions;
  const m = look.prompt.length / look.width;
  const of = (block, head) => a.values.slice((block * a.heads + head) * n * n, (block * a.heads + head + 1) * n * n);
  /** toPrompt is the share of the text's attention that goes to P. */
  const toPrompt = (values) => {
    let sum = 0;
    for (let i = m; i < n; i++) for (let j = 0; j < m; j++) sum += values[i * n + j];
    return n > m ? sum / (n - m) : 0;
  };
  const here = of(Math.min(block, a.blocks - 1), Math.min(head, a.heads - 1));
  const percent = (x) => `${Math.round(x * 100)} %`;
  return (
    <div class="body two">
      <div>
        <p class="line">
          <label>{words["attention-block"]} <select value={block} onChange={(e) => setBlock(Number(e.target.value))}>{Array.from({ length: a.blocks }, (_, i) => <option key={i} value={i}>{i + 1}</option>)}</select></label>{" "}
          <label>{words["attention-head"]} <select value={head} onChange={(e) => setHead(Number(e.target.value))}>{Array.from({ length: a.heads }, (_, i) => <option key={i} value={i}>{i + 1}</option>)}</select></label>
        </p>
        <div class="square">
          <Heat values={here} rows={n} columns={n} largest={largest(here)} label={`${words["attention-label"]} ${percent(toPrompt(here))}`} />
        </div>
        <p class="small">{words["attention-axes"]}</p>
      </div>
      <table class="shares">
        <caption>{words["attention-share"].replace("%", percent(n > 0 ? m / n : 0))}</caption>
        <thead><tr><td />{Array.from({ length: a.heads }, (_, h) => <th key={h} scope="col">{words["attention-head"]} {h + 1}</th>)}</tr></thead>
        <tbody>
          {Array.from({ length: a.blocks }, (_, b) => (
            <tr key={b}>
              <th scope="row">{words["attention-block"]} {b + 1}</th>
              {Array.from({ length: a.heads }, (_, h) => {
                const share = toPrompt(of(b, h));
                return <td key={h}><meter value={share} aria-hidden="true" /> <span class="number">{percent(share)}</span></td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
