// A and B as two objects, and their product, as they grow in training. A row of the product
// is the arrow that moves the word at that position.
import { useState } from "preact/hooks";
import { Heat, largest, norm, piece, product, row } from "./heat.jsx";

export function Factors({ state, words, act }) {
  const [at, setAt] = useState(0); // position that is looked at
  const [rank, setRank] = useState(1);
  const { frames } = state;
  const frame = frames[Math.min(state.frame, frames.length - 1)];
  if (!frame) return <div class="body" />;
  const { look } = frame;
  const r = look.rank;
  const [n, d] = [look.tokens.length, look.width];
  const t = Math.min(at, n - 1);
  const shift = product(look.a, look.b, r).map((v) => v * look.scale);
  const say = (x) => x.toPrecision(2).replace("-", "−");
  const training = state.run?.name === "factors" && state.status === "training";
  const word = (i) => piece(look.tokens[i].text);
  const pick = (e) => {
    const box = e.currentTarget.getBoundingClientRect();
    setAt(Math.max(0, Math.min(n - 1, Math.floor(((e.clientY - box.top) / box.height) * n))));
  };
  return (
    <div class="body">
      <p class="line">
        <label>{words["factors-rank"]} <input type="range" min="1" max="9" value={rank} onInput={(e) => setRank(Number(e.target.value))} /> <output>{rank}</output></label>{" "}
        <button type="button" disabled={!state.live || state.status === "training"} onClick={() => act.train("factors", { rank, "prompt-length": 4 })}>{words["factors-train"]}</button>
        {training && <button type="button" onClick={act.stop}>{words.stop}</button>}
      </p>
      <p class="line">
        <label>{words["factors-step"]} <input type="range" min="0" max={frames.length - 1} value={Math.min(state.frame, frames.length - 1)} onInput={(e) => act.frame(Number(e.target.value))} /></label>{" "}
        <span class="number">{words["factors-at"].replace("%", frame.step)}{frame.loss > 0 && `, ${words.loss} ${frame.loss.toFixed(2)}`}</span>
      </p>
      <div class="factors">
        <div class="words" aria-hidden="true">{look.tokens.map((_, i) => <span key={i} class={i === t ? "here" : ""} onMouseEnter={() => setAt(i)}>{word(i)}</span>)}</div>
        <div class="b"><span class="name"><i>B</i> <small>{r} × {d}</small></span><Heat values={look.b} rows={r} columns={d} largest={largest(look.b)} label={`B, ${r} × ${d}, ${words["up-to"]} ${say(largest(look.b))}`} /></div>
        <div class="a" onMouseMove={pick}><span class="name"><i>A</i> <small>{n} × {r}</small></span><Heat values={look.a} rows={n} columns={r} largest={largest(look.a)} mark={t} label={`A, ${n} × ${r}, ${words["up-to"]} ${say(largest(look.a))}`} /></div>
        <div class="ab" onMouseMove={pick}><Heat values={shift} rows={n} columns={d} largest={largest(shift)} mark={t} label={`A·B, ${n} × ${d}, ${words["up-to"]} ${say(largest(shift))}`} /></div>
      </div>
      <p class="line">
        <label>{words["factors-position"]} <input type="range" min="0" max={n - 1} value={t} onInput={(e) => setAt(Number(e.target.value))} /></label>{" "}
        <output>{t}, “{word(t)}”</output>
      </p>
      <div class="two">
        <p>
          {words["factors-row"]} <span class="number">({row(look.a, t, r).map(say).join(", ")})</span> · <i>B</i> · {say(look.scale)} {words["factors-scale"]} = {words["factors-arrow"].replace("%", say(norm(row(shift, t, d))))}{" "}
          {words["factors-word"].replace("%", say(norm(row(look.embeddings, t, d))))}
        </p>
        <Arrows look={look} shift={shift} at={t} label={words["factors-arrows"]} word={word} />
      </div>
    </div>
  );
}

/**
 * Arrows draws the words as points and their shifts as arrows, in the plane of the longest
 * shift and of what two words differ in most.
 */
function Arrows({ look, shift, at, label, word }) {
  const [n, d] = [look.tokens.length, look.width];
  const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);
  const unit = (v) => {
    const size = norm(v) || 1;
    return v.map((x) => x / size);
  };
  const places = Array.from({ length: n }, (_, t) => row(look.embeddings, t, d));
  const moves = Array.from({ length: n }, (_, t) => row(shift, t, d));
  const far = moves.reduce((best, v) => (norm(v) > norm(best) ? v : best));
  const x = norm(far) > 0 ? unit(far) : unit(places[0]);
  // What the words differ in most, across that: a few rounds of the power method.
  const mean = places[0].map((_, j) => places.reduce((sum, p) => sum + p[j], 0) / n);
  const across = (v) => {
    const along = dot(v, x);
    return v.map((value, j) => value - along * x[j]);
  };
  const spread = places.map((p) => across(p.map((v, j) => v - mean[j])));
  let y = unit(across(places.at(-1).map((v, j) => v - mean[j])));
  for (let i = 0; i < 8; i++) y = unit(spread.reduce((sum, v) => { const c = dot(v, y); return sum.map((s, j) => s + c * v[j]); }, new Array(d).fill(0)));
  const at2 = (v) => [dot(v, x), dot(v, y)];
  const starts = places.map(at2);
  const ends = places.map((p, t) => at2(p.map((v, j) => v + moves[t][j])));
  const all = [...starts, ...ends];
  const range = (k) => {
    const [low, high] = [Math.min(...all.map((p) => p[k])), Math.max(...all.map((p) => p[k]))];
    return [low, high - low || 1];
  };
  const [[x0, xs], [y0, ys]] = [range(0), range(1)];
  const [w, h] = [320, 180];
  const place = ([a, b]) => [16 + ((a - x0) / xs) * (w - 80), 14 + ((b - y0) / ys) * (h - 28)];
  return (
    <svg class="arrows" role="img" aria-label={label} viewBox={`0 0 ${w} ${h}`}>
      {starts.map((s, t) => {
        const [[ax, ay], [bx, by]] = [place(s), place(ends[t])];
        return (
          <g key={t} class={t === at ? "here" : ""}>
            <circle cx={ax.toFixed(1)} cy={ay.toFixed(1)} r="2" />
            <line x1={ax.toFixed(1)} y1={ay.toFixed(1)} x2={bx.toFixed(1)} y2={by.toFixed(1)} />
            {Math.hypot(bx - ax, by - ay) > 6 && <path class="end" d="M0 0l-6 -3v6z" transform={`translate(${bx.toFixed(1)} ${by.toFixed(1)}) rotate(${((Math.atan2(by - ay, bx - ax) * 180) / Math.PI).toFixed(1)})`} />}
            {t === at && <text x={(Math.max(ax, bx) + 5).toFixed(1)} y={(by + 4).toFixed(1)}>{word(t)}</text>}
          </g>
        );
      })}
    </svg>
  );
}
