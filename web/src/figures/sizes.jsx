// The T5s that people use: what there is, what is trained of it, and what DePT saves of a step.
import numbers from "../../article/numbers.json";

const names = { "t5-small": "T5-small", "t5-base": "T5-base", "t5-large": "T5-large", "t5-3b": "T5-3B" };
const whole = (n) => n.toLocaleString("en");
const saved = (ratio) => `${Math.round((1 - ratio) * 100)} %`;

export function Sizes({ words }) {
  const models = Object.entries(numbers.sizes).sort(([, a], [, b]) => a.parameters - b.parameters);
  const lengths = Object.keys(models[0][1].lengths);
  return (
    <div class="body scroll" tabindex="0" role="region" aria-label={words["sizes-caption"]}>
      <table>
        <caption>{words["sizes-caption"]}</caption>
        <thead>
          <tr>
            <th scope="col" rowspan="2">{words["sizes-model"]}</th><th scope="col" rowspan="2">{words["sizes-weights"]}</th><th scope="col" rowspan="2">{words["sizes-trained"]}</th>
            <th scope="colgroup" colspan={lengths.length}>{words["sizes-work"]}</th><th scope="colgroup" colspan={lengths.length}>{words["sizes-memory"]}</th>
          </tr>
          <tr>{[0, 1].map((k) => lengths.map((s) => <th key={`${k}${s}`} scope="col">{s}</th>))}</tr>
        </thead>
        <tbody>
          {models.map(([name, model]) => (
            <tr key={name}>
              <th scope="row">{names[name]}</th>
              <td class="number">{whole(model.parameters)}</td>
              <td class="number">{whole(model.lengths[lengths[0]].dept.trained)} ({model.lengths[lengths[0]].dept.percent} %)</td>
              {lengths.map((s) => <td key={s} class="number">{saved(model.lengths[s].fma_ratio)}</td>)}
              {lengths.map((s) => <td key={`m${s}`} class="number">{saved(model.lengths[s].bytes_ratio)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
