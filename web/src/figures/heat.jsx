// A matrix as a picture: SVG of one path a shade, so that it can be drawn where there is
// no canvas, and takes the page's colours.

const shades = 4; // either side of zero

/**
 * Heat draws rows × columns values, the last row last; a value as large as `largest` has
 * the full shade. Below zero they are half as high, for those who do not see the colours. Cells
 * are `w` × `h` units; a mark puts a frame around a row, and a split lines behind the first so many
 * rows and columns.
 */
export function Heat({ values, rows, columns, largest, w = 1, h = 1, label, mark, split = 0, className = "" }) {
  const paths = new Map();
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const v = largest > 0 ? values[i * columns + j] / largest : 0;
      const shade = Math.sign(v) * Math.min(shades, Math.round(Math.abs(v) * shades + 0.2));
      if (shade === 0) continue;
      const [top, high] = shade < 0 ? [i * h + h / 4, h / 2] : [i * h, h];
      paths.set(shade, `${paths.get(shade) ?? ""}M${j * w} ${top}h${w}v${high}h${-w}z`);
    }
  }
  return (
    <svg class={`heat ${className}`} role="img" aria-label={label} viewBox={`0 0 ${columns * w} ${rows * h}`} preserveAspectRatio="none" shape-rendering="crispEdges">
      {[...paths].sort(([a], [b]) => a - b).map(([shade, d]) => <path key={shade} class={shade < 0 ? `less s${-shade}` : `more s${shade}`} d={d} />)}
      {split > 0 && <path class="split" d={`M0 ${split * h}H${columns * w}M${split * w} 0V${rows * h}`} />}
      {mark >= 0 && <rect class="mark" x="0" y={mark * h} width={columns * w} height={h} />}
    </svg>
  );
}

/** piece is a piece's text as it is read: a mark says that a word begins, where that is all of it. */
export const piece = (text) => text.replace("▁", "") || "▁";

/** largest is the largest size among values. */
export const largest = (values) => values.reduce((a, v) => Math.max(a, Math.abs(v)), 0);

/** condensed makes a vector of d numbers n long: each is the one of largest size in its block. */
export function condensed(vector, n) {
  const block = vector.length / n;
  return Array.from({ length: n }, (_, i) =>
    vector.slice(Math.floor(i * block), Math.floor((i + 1) * block)).reduce((a, v) => (Math.abs(v) > Math.abs(a) ? v : a), 0));
}

/** row is the t-th row of a matrix of so many columns. */
export const row = (values, t, columns) => values.slice(t * columns, (t + 1) * columns);

/** product is a [n, r] times b [r, d]. */
export function product(a, b, r) {
  if (r === 0) return [];
  const [n, d] = [a.length / r, b.length / r];
  const out = new Array(n * d).fill(0);
  for (let i = 0; i < n; i++) for (let k = 0; k < r; k++) for (let j = 0; j < d; j++) out[i * d + j] += a[i * r + k] * b[k * d + j];
  return out;
}

/** norm is a vector's length. */
export const norm = (vector) => Math.hypot(...vector);
