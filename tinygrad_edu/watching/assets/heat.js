// Heat maps: blue is positive, orange negative, white zero. A canvas has a pixel for each cell.

const HALF = 126; // shades of the palette to each side of zero, as in heat.py
const NOTHING = 0; // between images: the page's own colour
let shades = new Uint32Array(2 * HALF + 1);
const NAN_COLOUR = rgba(208, 0, 208);

function rgba(r, g, b) {
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

function usePalette(stops) {
  const known = stops.map((stop) => [1, 3, 5].map((i) => parseInt(stop.slice(i, i + 2), 16)));
  shades = shades.map((_, i) => {
    const x = (i / (2 * HALF)) * (known.length - 1),
      k = Math.min(Math.floor(x), known.length - 2);
    return rgba(
      ...known[k].map((from, c) => Math.round(from + (x - k) * (known[k + 1][c] - from))),
    );
  });
}

const signed = (x) =>
  Number.isNaN(x) ? NAN_COLOUR : shades[Math.round(HALF * (1 + Math.min(Math.max(x, -1), 1)))];

function greyed(x) {
  // a share: 0 white, 1 dark
  if (Number.isNaN(x)) return NAN_COLOUR;
  const v = Math.round(247 - 200 * Math.min(Math.max(x, 0), 1));
  return rgba(v - 6, v, v + 8);
}

// Paint `read(cell)`, from −1 to 1, as a matrix or as images side by side; returns how many images there was room for
function paint(canvas, shape, read, colour = signed) {
  const images = shape.length === 3 ? shape[0] : 1,
    [h, w] = shape.slice(-2),
    gap = shape.length === 3 ? 1 : 0;
  const [across, down] = gap
    ? bestGrid(images, h, w, canvas.clientWidth || 116, canvas.clientHeight || 58)
    : [1, 1];
  const width = across * (w + gap) - gap,
    height = down * (h + gap) - gap;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d"),
    picture = context.createImageData(width, height),
    pixels = new Uint32Array(picture.data.buffer).fill(NOTHING);
  const shown = Math.min(images, across * down);
  for (let t = 0; t < shown; t++) {
    const x0 = (t % across) * (w + gap),
      y0 = Math.floor(t / across) * (h + gap);
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++)
        pixels[(y0 + y) * width + x0 + x] = colour(read(t * h * w + y * w + x));
  }
  context.putImageData(picture, 0, 0);
  canvas.classList.toggle("images", gap > 0);
  return shown;
}

// As many images as can be made out: each of their pixels as large as the screen's, or the image 26 wide
function bestGrid(n, h, w, width, height) {
  for (let count = n; count > 1; count--) {
    let best = null;
    for (let across = 1; across <= count; across++) {
      const down = Math.ceil(count / across),
        pixel = Math.min((width + 1) / across / (w + 1), (height + 1) / down / (h + 1));
      if (across * down === count && (!best || pixel > best.pixel)) best = { across, down, pixel };
    }
    if (best && (best.pixel >= 0.97 || best.pixel * w >= 26)) return [best.across, best.down];
  }
  return [1, 1];
}

function paintExample(canvas, images, i) {
  const [, h, w] = images.shape;
  Object.assign(canvas, { width: w, height: h });
  const context = canvas.getContext("2d"),
    picture = context.createImageData(w, h),
    pixels = new Uint32Array(picture.data.buffer);
  for (let k = 0; k < h * w; k++) {
    const v = 255 - images.bytes[i * h * w + k];
    pixels[k] = rgba(v, v, v);
  }
  context.putImageData(picture, 0, 0);
}
