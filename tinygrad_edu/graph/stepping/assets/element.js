// One element of a product: its row and its column light up, and the sum is written out with its numbers.
// A product: {left, right, result, bias}; a factor: {numbers, image, transposed, steps} or, of images side by side, {tiles, axis}.
const MOST_TERMS = 12,
  GREATEST_TERMS = 6,
  TILES_ACROSS = 4;
const decoded = new Map(); // the numbers of each matrix, by its name

function numbersOf(name) {
  if (!decoded.has(name)) {
    const bytes = Uint8Array.from(atob(matrices[name].data), (sign) => sign.charCodeAt(0));
    decoded.set(name, new Float32Array(bytes.buffer));
  }
  return decoded.get(name);
}

// The element in a row and a column of a factor, as it stands in the product
function elementOf(factor, row, column) {
  const [i, j] = factor.transposed ? [column, row] : [row, column];
  return numbersOf(factor.numbers)[i * matrices[factor.numbers].shape[1] + j];
}

// The terms of result[row, column], in order
function termsOf({ left, right }, row, column) {
  const shape = matrices[left.numbers].shape,
    length = shape[left.transposed ? 0 : 1];
  return Array.from({ length }, (_, k) => [elementOf(left, row, k), elementOf(right, k, column)]);
}

// Of many terms the greatest, and what the others add up to
function writtenSum(product, row, column) {
  const terms = termsOf(product, row, column),
    value = elementOf(product.result, row, column);
  const size = (term) => Math.abs(term[0] * term[1]);
  const chosen =
    terms.length <= MOST_TERMS
      ? terms
      : [...terms].sort((a, b) => size(b) - size(a)).slice(0, GREATEST_TERMS);
  const written = chosen.map(([x, y]) => `${bracketed(x)} × ${bracketed(y)}`);
  const rest = terms.length - chosen.length;
  if (rest) {
    const others = sum(terms.map(([x, y]) => x * y)) - sum(chosen.map(([x, y]) => x * y));
    written.push(`${bracketed(others)} (${rest} smaller terms)`);
  }
  if (product.bias) written.push(`${bracketed(numbersOf(product.bias)[column])} (bias)`);
  return { written, value: digits(value) };
}

const sum = (numbers) => numbers.reduce((x, y) => x + y, 0);
const digits = (x) =>
  (x === 0
    ? "0"
    : Math.abs(x) >= 1e-3 && Math.abs(x) < 1e4
      ? x.toPrecision(3)
      : x.toExponential(2)
  ).replaceAll("-", "−");
const bracketed = (x) => (x < 0 ? `(${digits(x)})` : digits(x));

// Write out the element that is chosen in a panel, and light up what it comes from
function writeElement(panel, product) {
  const [row, column] = [...panel.querySelectorAll(".element input")].map((input) =>
    Number(input.value),
  );
  const { written, value } = writtenSum(product, row, column);
  const place = panel.querySelector(".sum");
  place.replaceChildren(
    ...written.map((term, i) => piece(i ? `+ ${term}` : `= ${term}`)),
    piece(`= ${value}`),
  );
  panel.querySelectorAll(".band").forEach((band) => band.remove());
  const { left, right, result } = product;
  light(panel, left, left.transposed ? [null, row] : [row, null]);
  light(panel, right, right.transposed ? [column, null] : [null, column]);
  light(panel, result, [row, column], true);
}

function piece(text) {
  const span = document.createElement("span");
  span.textContent = text;
  return span;
}

// The image of a factor; the result's is the last of those that look alike
function imageOf(panel, { image }, isResult = false) {
  const found = panel.querySelectorAll(`img[data-image="${image}"]`);
  return found[isResult ? found.length - 1 : 0];
}

// Frame a row, a column (null: all of them) or one cell of a heat map; of images side by side the whole image
function light(panel, factor, [row, column], isResult = false) {
  const image = imageOf(panel, factor, isResult),
    place = placeOf(factor, row, column);
  if (!image || !place) return;
  const band = document.createElement("i"),
    [left, top, width, height] = place;
  band.className = "band";
  Object.assign(band.style, {
    left: `${100 * left}%`,
    top: `${100 * top}%`,
    width: `${100 * width}%`,
    height: `${100 * height}%`,
  });
  framed(image).append(band);
}

// Where it is, as shares of the image's width and height; undefined if the image does not show it
function placeOf({ numbers, steps: blocks, tiles, axis }, row, column) {
  const [rows, columns] = matrices[numbers].shape;
  if (tiles) {
    const tile = [row, column][axis],
      across = Math.min(tiles, TILES_ACROSS),
      down = Math.ceil(tiles / across);
    if (tile === null || [row, column][1 - axis] !== null || tile >= tiles) return undefined;
    return [(tile % across) / across, Math.floor(tile / across) / down, 1 / across, 1 / down];
  }
  const [across, down] = [Math.ceil(columns / blocks[1]), Math.ceil(rows / blocks[0])];
  const [x, y] = [Math.floor(column / blocks[1]) / across, Math.floor(row / blocks[0]) / down];
  return [
    column === null ? 0 : x,
    row === null ? 0 : y,
    column === null ? 1 : 1 / across,
    row === null ? 1 : 1 / down,
  ];
}

// An image within a box of its size, in which bands are placed
function framed(image) {
  if (!image.parentElement.matches(".framed")) {
    const box = document.createElement("span");
    box.className = "framed";
    image.replaceWith(box);
    box.append(image);
  }
  return image.parentElement;
}

panels.forEach((panel, number) => {
  const product = steps[number].product;
  if (!product) return;
  const inputs = [...panel.querySelectorAll(".element input")],
    image = imageOf(panel, product.result, true);
  const write = () => writeElement(panel, product);
  inputs.forEach((input) =>
    input.addEventListener("input", () => {
      input.value = Math.min(Math.max(Math.trunc(Number(input.value)), 0), Number(input.max));
      write();
    }),
  );
  write();
  if (!product.result.steps) return;
  framed(image).classList.add("choosable");
  framed(image).addEventListener("click", (event) => {
    const box = image.getBoundingClientRect(),
      [rows, columns] = matrices[product.result.numbers].shape;
    inputs[0].value = Math.min(
      Math.floor(((event.clientY - box.top) / box.height) * rows),
      rows - 1,
    );
    inputs[1].value = Math.min(
      Math.floor(((event.clientX - box.left) / box.width) * columns),
      columns - 1,
    );
    write();
  });
});
