// One sentence, asked three times: of the model as it is, with the prompt alone, and with all.

const variants = [
  { name: "neither", without: ["P", "A·B"] },
  { name: "P", without: ["A·B"] },
  { name: "both", without: [] },
];

/** asked lists what a sentence is asked with, by what counts as zero. */
export const asked = variants;

export function Ask({ state, words, act }) {
  return (
    <div class="body">
      <p class="line">
        <label>{words["ask-sentence"]} <input type="text" class="sentence" value={state.sentence} readOnly={!state.live} onInput={(e) => act.type(e.target.value)} autocomplete="off" /></label>
      </p>
      <table class="answers">
        <thead><tr><td /><th scope="col">{words["ask-answer"]}</th><th scope="col">{words["ask-labels"]}</th></tr></thead>
        <tbody>
          {variants.map(({ name }) => {
            const a = state.answers[name];
            return (
              <tr key={name}>
                <th scope="row">{words[`with-${name}`]}</th>
                <td class="answer">{a ? a.answer || words["ask-nothing"] : "…"}</td>
                <td class="scores">{a?.scores.map(({ label, probability }) => (
                  <span key={label}>{label} <meter value={probability} aria-hidden="true" /> <span class="number">{Math.round(probability * 100)} %</span></span>
                ))}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
