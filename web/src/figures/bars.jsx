// Bars beside one another, as a table whose numbers can be read.

/** Bars draws rows of {name, value, note} as bars of value / most. */
export function Bars({ rows, most, say, caption }) {
  return (
    <table class="bars">
      {caption && <caption>{caption}</caption>}
      <tbody>
        {rows.map(({ name, value, kind = "" }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td><svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect class={kind} width={(100 * Math.max(0, value)) / most} height="10" /></svg></td>
            <td class="number">{say(value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
