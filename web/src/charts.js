// Small line charts: numbers by step, drawn by uPlot.
import uPlot from "uplot";

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const scheme = matchMedia("(prefers-color-scheme: dark)");

const styles = {
  accent: { color: "--accent", width: 1.75 },
  second: { color: "--second", width: 1.5 },
  dashed: { color: "--second", width: 1.5, dash: [5, 4] },
  dotted: { color: "--soft", width: 1, dash: [2, 3] },
};

/** number writes x in few characters. */
export function number(x) {
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e4 || size < 1e-3) return x.toExponential(size < 1e-3 ? 0 : 1).replace("e+", "e");
  return String(Number(x.toPrecision(3)));
}

/** time writes seconds as people say them. */
export function time(seconds) {
  const say = (n, unit) => `${n} ${unit}${n === 1 ? "" : "s"}`;
  if (seconds < 99.5) return say(Math.round(seconds), "second");
  if (seconds < 5970) return say(Math.round(seconds / 60), "minute");
  return `${(seconds / 3600).toFixed(1)} hours`;
}

// A logarithmic axis shows whole decades, at most four of them.
const decades = (_, low, high) => {
  const top = 10 ** Math.ceil(Math.log10(high ?? 1) - 1e-9);
  return [Math.max(10 ** Math.floor(Math.log10(low ?? 0.01) + 1e-9), top / 1e4), top];
};
const powers = (_, axis, low, high) => {
  const all = [];
  for (let e = Math.round(Math.log10(low)); e <= Math.log10(high) + 1e-9; e++) all.push(10 ** e);
  return all;
};

/**
 * chart draws series of numbers into an element. Options: log for a logarithmic axis,
 * percent for one of 0 to 100 %, and title for the sentence that stands for the
 * picture where nobody can see it. Series come with their first numbers, in the
 * order of styles; those in fixed, {name: style}, are last. keys is an element that
 * shows which is which.
 */
export function chart(element, { log = false, percent = false, title, styles: order = ["accent", "second", "dashed"], fixed = {}, keys }) {
  let series = new Map(); // name → style, without the fixed ones
  let rows = new Map(); // step → {name: value}
  let plot = null;
  let due = false;

  const names = () => [...series.keys(), ...Object.keys(fixed)];
  const style = (name) => series.get(name) ?? fixed[name];

  function options() {
    const axis = {
      stroke: color("--soft"), font: "12px system-ui, sans-serif", labelSize: 0, gap: 3,
      grid: { stroke: color("--line"), width: 1 }, ticks: { show: false },
    };
    return {
      width: Math.max(element.clientWidth, 60), height: Math.max(element.clientHeight, 60),
      legend: { show: false }, cursor: { show: false }, padding: [6, 12, 0, 0],
      scales: {
        x: { time: false, range: (_, low, high) => [low ?? 0, Math.max(high ?? 1, (low ?? 0) + 1)] },
        y: percent ? { range: [0, 1] } : log ? { distr: 3, range: decades } : { range: (_, low, high) => [0, high > 0 ? high * 1.05 : 1] },
      },
      axes: [
        { ...axis, size: 18, space: 50, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000] },
        {
          ...axis, size: 44, space: 18, splits: log ? powers : percent ? () => [0, 0.25, 0.5, 0.75, 1] : undefined,
          values: (_, ticks) => ticks.map((v) => (percent ? `${v * 100} %` : number(v))),
        },
      ],
      series: [{}, ...names().map((name) => {
        const s = styles[style(name)];
        return { stroke: color(s.color), width: s.width, dash: s.dash, spanGaps: true, points: { show: percent && s.width > 1, size: 4, fill: color(s.color) } };
      })],
    };
  }

  function data() {
    const steps = [...rows.keys()].sort((a, b) => a - b);
    // A logarithm has no zero; uPlot leaves null out.
    const cell = (v) => (v === undefined || (log && !(v > 0)) ? null : v);
    return [steps, ...names().map((name) => steps.map((step) => cell(rows.get(step)[name])))];
  }

  function describe() {
    const parts = [];
    for (const [i, values] of data().slice(1).entries()) {
      const seen = values.filter((v) => v !== null);
      const say = (v) => (percent ? `${Math.round(v * 100)} %` : number(v));
      if (seen.length > 0) parts.push(`${names()[i]} from ${say(seen[0])} to ${say(seen.at(-1))}`);
    }
    element.setAttribute("aria-label", `${title}: ${parts.join("; ") || "nothing yet"}`);
  }

  function draw() {
    due = false;
    plot ??= new uPlot(options(), data(), element);
    plot.setData(data());
    describe();
  }

  function redraw() {
    plot?.destroy();
    plot = null;
    draw();
  }

  /** know makes room for a series that is new. */
  function know(name) {
    if (series.has(name) || name in fixed) return;
    const used = new Set(series.values());
    series.set(name, order.find((s) => !used.has(s)) ?? order.at(-1));
    resized();
  }

  function resized() {
    plot?.destroy();
    plot = null;
    keys?.replaceChildren(...names().map((name) => {
      const key = document.createElement("b");
      key.className = style(name);
      key.textContent = name;
      return key;
    }));
  }

  function later() {
    if (!due) requestAnimationFrame(draw);
    due = true;
  }

  new ResizeObserver(() => plot?.setSize({ width: element.clientWidth, height: element.clientHeight })).observe(element);
  scheme.addEventListener("change", redraw);
  draw();

  return {
    add(step, values) {
      for (const name of Object.keys(values)) know(name);
      rows.set(step, { ...rows.get(step), ...values });
      later();
    },
    /** clear forgets the named series, or all. */
    clear(...which) {
      if (which.length === 0) [series, rows] = [new Map(), new Map()];
      for (const name of which) series.delete(name);
      for (const row of rows.values()) for (const name of which) delete row[name];
      resized();
      later();
    },
  };
}
