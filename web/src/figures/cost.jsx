// Where the time of a step goes: prompt tuning beside DePT, of as many trained numbers.
import numbers from "../../article/numbers.json";

// Forward and backward together; any other kind is by itself.
const kinds = [["products", "products.grad"], ["attention", "attention.grad"]];

export function Cost({ words }) {
  const { pt, dept, source, batch } = numbers.step;
  const of = (p, names) => p.work.filter(({ kind }) => names.includes(kind)).reduce((sum, { ms }) => sum + ms, 0);
  const listed = pt.work.map(({ kind }) => kind);
  const groups = [...kinds, ...listed.filter((kind) => !kinds.flat().includes(kind)).map((kind) => [kind])];
  const most = Math.max(of(pt, listed), of(dept, listed));
  return (
    <div class="body">
      <table class="cost">
        <caption>{words["cost-caption"].replace("%", batch).replace("%", source)}</caption>
        <tbody>
          {[["pt", pt], ["dept", dept]].map(([name, p]) => {
            let x = 0;
            return (
              <tr key={name}>
                <th scope="row">{words[`cost-${name}`].replace("%", p.m)}</th>
                <td>
                  <svg class="stack" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">
                    {groups.map((names, i) => {
                      const w = (100 * of(p, names)) / most;
                      x += w;
                      return <rect key={i} class={`k${i}`} x={(x - w).toFixed(2)} width={w.toFixed(2)} height="12" />;
                    })}
                  </svg>
                </td>
                <td class="number">{Math.round(of(p, listed)).toLocaleString("en")} ms</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <div class="scroll" tabindex="0" role="region" aria-label={words["cost-kinds"]}>
        <table>
          <caption class="sr">{words["cost-kinds"]}</caption>
          <thead><tr><td />{groups.map((names, i) => <th key={i} scope="col"><span class={`key k${i}`} aria-hidden="true" /> {words[`cost-${names[0]}`] ?? names[0]}</th>)}</tr></thead>
          <tbody>
            {[["pt", pt], ["dept", dept]].map(([name, p]) => (
              <tr key={name}>
                <th scope="row">{words[`cost-${name}`].replace("%", p.m)}</th>
                {groups.map((names, i) => <td key={i} class="number">{of(p, names).toLocaleString("en", { maximumFractionDigits: of(p, names) < 10 ? 1 : 0 })} ms</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
