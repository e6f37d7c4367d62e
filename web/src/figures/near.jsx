// The words whose vectors point most nearly where the rows of P do, and what becomes of the
// sentence's own words when they are moved.
import { piece } from "./heat.jsx";

export function Near({ state, words }) {
  const { look } = state;
  if (!look?.near) return <div class="body" />;
  return (
    <div class="body two">
      <table>
        <caption>{words["near-prompt"]}</caption>
        <tbody>
          {look.near.map((list, i) => (
            <tr key={i}>
              <th scope="row"><i>P</i><sub>{i + 1}</sub></th>
              <td>{list.map(({ text, cosine }, k) => <span key={k} class="near">{piece(text)} <small class="number">{cosine.toFixed(2)}</small> </span>)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <table>
        <caption>{words["near-moved"]}</caption>
        <thead><tr><td /><th scope="col">{words["near-now"]}</th><th scope="col">{words["near-far"]}</th></tr></thead>
        <tbody>
          {look.moved.map(({ text, cosine, shift, embedding }, t) => (
            <tr key={t}>
              <th scope="row">{piece(look.tokens[t].text)}</th>
              <td>{piece(text)} <small class="number">{cosine.toFixed(2)}</small></td>
              <td class="number">{(shift / embedding).toFixed(2)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
