// Elements, the colours of the theme, and pictures of numbers on a canvas.

/** @type {(id: string) => any} */
const $ = (id) => document.getElementById(id);
/** @type {(selector: string, within?: ParentNode) => any[]} */
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

/** @returns {any} */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const narrow = matchMedia("(max-width: 779px)");
const SANS = "Helvetica, Arial, sans-serif";

const C = {}; // the palette, by the names of the CSS variables
const hex = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));

function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const names = `background ink muted cluster hairline control well positive negative backward input
    operation output parameter right blank full least zero most
    class-0 class-1 class-2 class-3 class-4 class-5`;
  for (const name of names.split(/\s+/)) C[name] = style.getPropertyValue(`--${name}`).trim();
  C.ramp = Object.fromEntries(
    ["blank", "full", "least", "zero", "most"].map((name) => [name, hex(C[name])]),
  );
}

const rgb = (from, to, share) => `rgb(${from.map((v, i) => Math.round(mix(v, to[i], share)))})`;

// The ink of a neuron: of a share as of a pixel; of a number with a sign, blue above 0, orange below
const inked = (share) => rgb(C.ramp.blank, C.ramp.full, clamp(share));
const coloured = (share) =>
  rgb(C.ramp.zero, share < 0 ? C.ramp.least : C.ramp.most, clamp(Math.abs(share)));

// A canvas as sharp as the screen: its context, width and height in CSS pixels
function fit(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = devicePixelRatio || 1;
  const size = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) {
    [canvas.width, canvas.height] = size;
  }
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  return [g, width, height];
}

// A pixel for each number of a square; `colour` gives red, green and blue
function square(canvas, side, colour) {
  canvas.width = canvas.height = side;
  const g = canvas.getContext("2d");
  const image = g.createImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    const rgbOfPixel = colour(i);
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = rgbOfPixel[c];
    image.data[4 * i + 3] = 255;
  }
  g.putImageData(image, 0, 0);
}

function pixels(canvas, x, offset = 0) {
  const { blank, full } = C.ramp;
  square(canvas, SIDE, (i) => blank.map((v, c) => mix(v, full[c], x[offset + i])));
}

// Numbers around 0: blue above, orange below. `value(i)` is from −1 to 1
function tile(canvas, value) {
  const { zero, most, least } = C.ramp;
  square(canvas, SIDE, (i) => {
    const v = clamp(value(i), -1, 1);
    const end = v < 0 ? least : most;
    return zero.map((from, c) => mix(from, end[c], Math.abs(v)));
  });
}

// Weights: the largest is the darkest, small ones are lifted
const lifted = (v) => Math.sign(v) * Math.abs(v) ** 0.65;
function weightTile(canvas, values, offset, most = largest(values, offset, offset + PIXELS)) {
  tile(canvas, (i) => lifted(values[offset + i] / most));
}

function write(g, string, x, y, { colour = C.muted, font = "11.5px", align = "left" } = {}) {
  g.fillStyle = colour;
  g.font = `${font} ${SANS}`;
  g.textAlign = align;
  g.textBaseline = "alphabetic";
  g.fillText(string, x, y);
}

function segment(g, ...points) {
  g.beginPath();
  points.forEach(([x, y], k) => (k ? g.lineTo(x, y) : g.moveTo(x, y)));
  g.stroke();
}

function disc(g, x, y, radius) {
  g.beginPath();
  g.arc(x, y, radius, 0, 7);
  g.fill();
}
