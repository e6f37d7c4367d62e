// Where the encoder looks: a block's attention, and how much of the text's goes to the prompt.
import { useState } from "preact/hooks";
import { Heat, largest, piece } from "./heat.jsx";

const side = 100; // of the map, in the units of what stands above it
const percent = (x) => `${Math.round(x * 100)} %`;

/** attentionOf reads the worker's message: m rows of P before n - m of the text, a block and a head at a time. */
function attentionOf(look) {
  const { values, blocks, heads, positions: n } = look.attention;
  const m = look.prompt.length / look.width;
  const of = (block, head) => values.slice((block * heads + head) * n * n, (block * heads + head + 1) * n * n);
  /** share is how much of the text's attention goes to P. */
  const share = (block, head) => {
    const here = of(block, head);
    let sum = 0;
    for (let i = m; i < n; i++) for (let j = 0; j < m; j++) sum += here[i * n + j];
    return n > m ? sum / (n - m) : 0;
  };
  return { n, m, blocks, heads, of, share };
}

/** strongest is the head that looks most at P, of a block. */
function strongest(look) {
  if (!look?.attention) return { block: 0, head: 0 };
  const { blocks, heads, share } = attentionOf(look);
  const all = Array.from({ length: blocks * heads }, (_, i) => ({ block: Math.floor(i / heads), head: i % heads }));
  return all.reduce((best, at) => (share(at.block, at.head) > share(best.block, best.head) ? at : best));
}

export function Attention({ state, words }) {
  const { look } = state;
  const [{ block, head }, choose] = useState(() => strongest(look));
  if (!look?.attention) return <div class="body" />;
  const { n, m, blocks, heads, of, share } = attentionOf(look);
  const here = of(block, head);
  const most = largest(here);
  const menu = (name, count, at) => (
    <label>{words[`attention-${name}`]} <select value={at} onChange={(e) => choose({ block, head, [name]: Number(e.target.value) })}>{Array.from({ length: count }, (_, i) => <option key={i} value={i}>{i + 1}</option>)}</select></label>
  );
  return (
    <div class="body two">
      <div>
        <p class="line">{menu("block", blocks, block)} {menu("head", heads, head)}</p>
        <div class={`map ${n > 20 ? "many" : ""}`}>
          <svg class="top" viewBox={`0 0 ${side} 7`} aria-hidden="true">
            {m > 0 && <text x="0" y="5"><tspan font-style="italic">P</tspan></text>}
            <text x={((side * m) / n).toFixed(1)} y="5">{words["attention-text"]}</text>
          </svg>
          <div class="words" aria-hidden="true">
            {Array.from({ length: m }, (_, i) => <span key={`p${i}`}><i>P</i><sub>{i + 1}</sub></span>)}
            {look.tokens.map(({ text }, t) => <span key={t}>{piece(text)}</span>)}
          </div>
          <Heat values={here} rows={n} columns={n} largest={most} split={m} label={`${words["attention-label"]} ${percent(share(block, head))}`} />
        </div>
        <p class="under">{words["attention-block"]} {block + 1}, {words["attention-head"]} {head + 1}. {words["attention-axes"].replace("%", percent(most))}</p>
      </div>
      <table class="shares">
        <caption>{words["attention-share"].replace("%", percent(n > 0 ? m / n : 0))}</caption>
        <thead><tr><td />{Array.from({ length: heads }, (_, h) => <th key={h} scope="col">{words["attention-head"]} {h + 1}</th>)}</tr></thead>
        <tbody>
          {Array.from({ length: blocks }, (_, b) => (
            <tr key={b}>
              <th scope="row">{words["attention-block"]} {b + 1}</th>
              {Array.from({ length: heads }, (_, h) => (
                <td key={h} class={b === block && h === head ? "here" : ""}><meter value={share(b, h)} aria-hidden="true" /> <span class="number">{percent(share(b, h))}</span></td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
