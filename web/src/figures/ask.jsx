// One sentence, asked four times: of the model as it is, behind a written question, with the
// prompt alone, and with all.
import numbers from "../../article/numbers.json";

const question = numbers.model.question;

const variants = [
  { name: "neither", without: ["P", "A·B"] },
  { name: "written", without: ["P", "A·B"], before: `${question} ` },
  { name: "P", without: ["A·B"] },
  { name: "both", without: [] },
];

/** asked lists what a sentence is asked with: what counts as zero, and what is written before it. */
export const asked = variants;

export function Ask({ state, words, act }) {
  const labels = Object.values(state.answers).find(Boolean)?.scores.map(({ label }) => label) ?? [];
  return (
    <div class="body">
      <p class="line">
        <label>{words["ask-sentence"]} <input type="text" class="sentence" value={state.sentence} readOnly={!state.live} onInput={(e) => act.type(e.target.value)} autocomplete="off" /></label>
      </p>
      <div class="scroll" tabindex="0" role="region" aria-label={words["ask-labels"]}><table class="answers">
        <thead>
          <tr><td rowspan="2" /><th scope="col" rowspan="2">{words["ask-answer"]}</th><th scope="colgroup" colspan={labels.length || 1}>{words["ask-labels"]}</th></tr>
          <tr>{labels.map((label) => <th key={label} scope="col">{label}</th>)}</tr>
        </thead>
        <tbody>
          {variants.map(({ name }) => {
            const a = state.answers[name];
            return (
              <tr key={name}>
                <th scope="row">{words[`with-${name}`].replace("%", question)}</th>
                <td class="answer">{a ? a.answer || words["ask-nothing"] : "…"}</td>
                {labels.map((label) => {
                  const p = a?.scores.find((s) => s.label === label)?.probability ?? 0;
                  return <td key={label} class="score"><meter value={p} aria-hidden="true" /> <span class="number">{Math.round(p * 100)} %</span></td>;
                })}
              </tr>
            );
          })}
        </tbody>
      </table></div>
    </div>
  );
}
