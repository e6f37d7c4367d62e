// The pictures of an adapter: the encoder's input cell by cell, A·B, and its tensors.
import { number } from "./charts.js";

const make = (tag, className, text = "") => {
  const e = document.createElement(tag);
  e.className = className;
  e.textContent = text;
  return e;
};

/**
 * drawStrip draws m prompt cells and the text's tokens, each token with a bar of
 * the size of its shift; `largest` is the size of a full bar.
 */
export function drawStrip(strip, m, tokens, shifts, largest) {
  const cells = [];
  for (let i = 0; i < m; i++) {
    const cell = make("div", "cell prompt");
    cell.append(make("span", "token", String(i + 1)));
    cells.push(cell);
  }
  let far = 0;
  tokens.forEach((token, t) => {
    const cell = make("div", "cell");
    const room = make("div", "room");
    const bar = make("div", "bar");
    const size = shifts[t] ?? 0;
    bar.style.height = `${largest > 0 ? Math.min(1, size / largest) * 100 : 0}%`;
    if (size > (shifts[far] ?? 0)) far = t;
    room.append(bar);
    cell.append(room, make("span", "token", token));
    cell.title = `position ${t}: shift ${size.toPrecision(3)}`;
    cells.push(cell);
  });
  strip.classList.toggle("many", m > 24);
  strip.replaceChildren(...cells);
  const shift = (shifts[far] ?? 0) > 0
    ? `the largest shift is ${shifts[far].toPrecision(2)}, at “${tokens[far]}”`
    : "no word is shifted yet";
  strip.setAttribute("aria-label", `${m} prompt cells, then ${tokens.length} cells of text: ${tokens.join(" ")}; ${shift}`);
}

/** rgb turns a CSS colour into its three numbers. */
function rgb(css) {
  const pixel = new OffscreenCanvas(1, 1).getContext("2d");
  pixel.fillStyle = css;
  pixel.fillRect(0, 0, 1, 1);
  return pixel.getImageData(0, 0, 1, 1).data;
}

/** drawHeat paints a matrix: paper is zero, the accent positive, ink negative. */
export function drawHeat(canvas, { rows, columns, values, largest }) {
  const style = getComputedStyle(document.documentElement);
  const [zero, positive, negative] = ["--panel", "--accent", "--negative"].map((name) => rgb(style.getPropertyValue(name)));
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    const v = largest > 0 ? values[i] / largest : 0;
    const to = v < 0 ? negative : positive;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = zero[c] + Math.abs(v) * (to[c] - zero[c]);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  canvas.setAttribute("aria-label", largest > 0
    ? `A·B as a picture: ${rows} rows of positions, ${columns} columns of dimensions, values up to ${largest.toPrecision(2)} either side of zero`
    : "A·B as a picture: all zero");
}

/**
 * drawTensors lists tensors {name, shape, size} with the norms of their gradients by
 * name; each has a bar of its gradient's share of the largest.
 */
export function drawTensors(list, tensors, norms) {
  const largest = Math.max(...norms.values());
  list.replaceChildren(...tensors.map(({ name, shape, size }) => {
    const row = make("li", "tensor");
    const gradient = norms.get(name);
    const bar = make("span", "share");
    bar.style.width = `${gradient > 0 ? Math.max(1, (gradient / largest) * 100) : 0}%`;
    const room = make("span", "bar");
    room.append(bar);
    row.title = name;
    row.append(make("span", "name", name), make("span", "number", shape.join(" × ")), make("span", "number", number(size)),
      make("span", "number", gradient === undefined ? "–" : number(gradient)), room);
    return row;
  }));
}
