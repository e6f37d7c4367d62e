// What becomes of a sentence: pieces, their vectors, the shift, and the prompt before them.
import { condensed, Heat, largest, norm, piece, product, row } from "./heat.jsx";

const cells = 32; // of a vector in the picture, four wide
const wide = 4;

/** Vector draws a vector as a block of cells. */
function Vector({ values, of, label }) {
  return <Heat values={condensed(values, cells)} rows={cells / wide} columns={wide} largest={of} label={label} className="vector" />;
}

export function Path({ state, words }) {
  const { look } = state;
  if (!look) return <div class="body" />;
  const d = look.width;
  const m = look.prompt.length / d;
  const shift = look.rank > 0 ? product(look.a, look.b, look.rank).map((v) => v * look.scale) : [];
  const ofWords = largest(look.embeddings);
  const ofShift = largest(shift);
  const ofPrompt = largest(look.prompt);
  const say = (x) => x.toPrecision(2);
  /** scaled says how what has such a largest number is drawn, beside the words. */
  const scaled = (of) => (of < ofWords ? words["path-darker"].replace("%", say(ofWords / of)) : words["path-paler"].replace("%", say(of / ofWords)));
  return (
    <div class="body scroll" tabindex="0" role="region" aria-label={words["path-label"]}>
      <table class="path">
        <tbody>
          <tr>
            <th scope="row">{words["path-tokens"]}</th>
            {m > 0 && <td colspan={m} class="gone">{words["path-prompt"]}</td>}
            {look.tokens.map(({ text }, t) => <td key={t} class="token">{piece(text)}</td>)}
          </tr>
          <tr>
            <th scope="row">{words["path-embeddings"]}</th>
            {m > 0 && <td colspan={m} />}
            {look.tokens.map(({ text }, t) => <td key={t}><Vector values={row(look.embeddings, t, d)} of={ofWords} label={`E(${text})`} /></td>)}
          </tr>
          <tr>
            <th scope="row">{words["path-shift"]}{ofShift > 0 && <small> {scaled(ofShift)}</small>}</th>
            {m > 0 && <td colspan={m} />}
            {look.tokens.map(({ text }, t) => <td key={t}>{shift.length > 0 && <Vector values={row(shift, t, d)} of={ofShift} label={`${words["path-shift-of"]} ${t}, ${text}: ${say(norm(row(shift, t, d)))}`} />}</td>)}
          </tr>
          <tr class="sum">
            <th scope="row">{words["path-sum"]}{ofPrompt > 0 && <small> <i>P</i> {scaled(ofPrompt)}</small>}</th>
            {Array.from({ length: m }, (_, i) => <td key={`p${i}`} class="p"><Vector values={row(look.prompt, i, d)} of={ofPrompt} label={`P ${i + 1}`} /></td>)}
            {look.tokens.map(({ text }, t) => {
              const e = row(look.embeddings, t, d);
              const moved = shift.length > 0 ? e.map((v, j) => v + shift[t * d + j]) : e;
              return <td key={t}><Vector values={moved} of={ofWords} label={`E(${text}) + A·B`} /></td>;
            })}
          </tr>
        </tbody>
      </table>
    </div>
  );
}
