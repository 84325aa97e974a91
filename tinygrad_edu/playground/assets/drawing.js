// The drawing: strokes in a square, centred and scaled as the images of MNIST were.

const D = {
  strokes: [], // each a list of points, in pixels
  base: new Float32Array(PIXELS), // the image that is drawn on
  live: false, // while the pen is down
  timer: null,
  gliding: null,
  map: null, // from the drawing to where the network sees it
  cursor: [Math.floor(SIDE / 2) - 1, Math.floor(SIDE / 4)],
  pen: false,
  eraser: false,
  keyed: false,
};
const RADIUS = (1.15 * SIDE) / 28; // of the pen, in pixels
const BOX = (20 * SIDE) / 28; // the longer side of a centred drawing
const MIDDLE = SIDE / 2 + SIDE / 56; // MNIST's centre of mass

// How much ink a stroke leaves on each pixel: full up to the radius, then fading over one pixel
function ink(strokes, out = new Float32Array(PIXELS), { wipe = false, radius = RADIUS } = {}) {
  for (const points of strokes) {
    points.forEach((point, k) => inkSegment(points[Math.max(k - 1, 0)], point, out, wipe, radius));
  }
  return out;
}

function inkSegment([x0, y0], [x1, y1], out, wipe, radius) {
  const reach = radius + 0.5;
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = dx * dx + dy * dy;
  const within = (p, q) => [
    Math.max(0, Math.floor(Math.min(p, q) - reach)),
    Math.min(SIDE - 1, Math.floor(Math.max(p, q) + reach)),
  ];
  const [top, bottom] = within(y0, y1);
  const [left, right] = within(x0, x1);
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const [px, py] = [column + 0.5 - x0, row + 0.5 - y0];
      const along = length ? clamp((px * dx + py * dy) / length) : 0;
      const v = clamp(reach - Math.hypot(px - along * dx, py - along * dy));
      const i = SIDE * row + column;
      out[i] = wipe ? Math.min(out[i], 1 - v) : Math.max(out[i], v);
    }
  }
}

// The longer side of the box to 20 of 28 pixels, then the centre of mass to the middle
function centred(strokes) {
  const points = strokes.flat();
  const range = (axis) => {
    const values = points.map((p) => p[axis]);
    return [Math.min(...values), Math.max(...values)];
  };
  const [[left, right], [top, bottom]] = [range(0), range(1)];
  const size = Math.max(right - left, bottom - top);
  if (size < 1) return strokes;
  const scale = Math.min((BOX - 2 * RADIUS) / size, 6);
  const placed = (cx, cy) =>
    strokes.map((stroke) =>
      stroke.map(([x, y]) => [
        (x - (left + right) / 2) * scale + cx,
        (y - (top + bottom) / 2) * scale + cy,
      ]),
    );
  let [mass, mx, my] = [0, 0, 0];
  ink(placed(SIDE / 2, SIDE / 2)).forEach((v, i) => {
    mass += v;
    mx += v * ((i % SIDE) + 0.5);
    my += v * (Math.floor(i / SIDE) + 0.5);
  });
  if (!mass) return strokes;
  return placed(SIDE / 2 + MIDDLE - mx / mass, SIDE / 2 + MIDDLE - my / mass);
}

// The map that took one drawing to the other: scale · raw + (x, y), from two points far apart
function mapOf(raw, put) {
  const [p, q] = [raw.flat(), put.flat()];
  const distance = ([x, y]) => Math.hypot(x - p[0][0], y - p[0][1]);
  const far = best(p.map(distance));
  const size = distance(p[far]);
  const scale = size > 0.01 ? Math.hypot(q[far][0] - q[0][0], q[far][1] - q[0][1]) / size : 1;
  return { scale, x: q[0][0] - scale * p[0][0], y: q[0][1] - scale * p[0][1] };
}

const editing = () => D.base.some((v) => v); // on top of an image nothing is moved

function forgetDrawing() {
  clearTimeout(D.timer);
  D.strokes = [];
  D.base.fill(0);
  D.gliding = D.map = null;
  D.keyed = D.pen = D.live = false;
}

function seeDrawing() {
  const onTop = editing();
  const put = onTop || !D.strokes.length ? D.strokes : centred(D.strokes);
  S.x = ink(put, Float32Array.from(D.base));
  D.map = put === D.strokes ? null : mapOf(D.strokes, put);
  const empty = !D.strokes.length && !onTop;
  S.source = empty ? null : onTop && S.index >= 0 ? "edited" : "drawn";
  S.dock = empty ? "empty" : S.label === null ? "label" : "cost";
  Object.assign(S, { playing: false, before: null, trace: [] });
  compute();
  S.t = S.goal = !S.has ? 0 : S.label === null ? DEPTH : COST;
  refresh();
}

function startStroke(point) {
  clearTimeout(D.timer);
  D.gliding = null;
  D.live = true;
  if (S.source === "sample" || S.source === "noise") {
    D.base = Float32Array.from(S.x);
    D.strokes = [];
  } else if (S.source === null) {
    D.base.fill(0);
    Object.assign(S, { label: null, index: -1 });
    D.strokes = [];
  }
  if (D.eraser) {
    D.base = Float32Array.from(S.x);
    D.strokes = [];
    rub(point, point);
  } else {
    D.strokes.push([point]);
  }
  seeDrawing();
}

function rub(from, to) {
  ink([[from, to]], D.base, { wipe: true, radius: (1.8 * SIDE) / 28 });
  if (!D.base.some((v) => v > 0.02)) D.base.fill(0);
}

function moveStroke(point, last) {
  if (D.eraser) rub(last, point);
  else D.strokes.at(-1).push(point);
  seeDrawing();
}

function endStroke() {
  D.live = false;
  clearTimeout(D.timer);
  if (!D.keyed) D.timer = setTimeout(glide, 700);
  tellReading(true);
}

function clearPad() {
  forgetDrawing();
  Object.assign(S, { label: null, index: -1, source: null });
  S.soft = S.weight = null; // a neuron that was kept stays: one watches it while one draws
  seeDrawing();
  tell();
}

// When the pen has lifted, the ink moves to where the network has seen it all along
function glide() {
  if (D.eraser || editing() || !D.strokes.length) {
    drawPad();
    return;
  }
  const from = D.strokes;
  const to = centred(D.strokes);
  if (calm.matches) {
    D.strokes = to;
    D.map = null;
    drawPad();
    paint();
    return;
  }
  const { map } = D;
  const start = performance.now();
  const between = (p, q, share) => p.map((v, axis) => mix(v, q[axis], share));
  const move = (now) => {
    if (D.gliding === null) return;
    const time = clamp((now - start) / 320);
    const share = time * time * (3 - 2 * time);
    D.strokes = from.map((s, i) => s.map((point, k) => between(point, to[i][k], share)));
    D.gliding = share;
    D.map = map && {
      scale: mix(map.scale, 1, share),
      x: mix(map.x, 0, share),
      y: mix(map.y, 0, share),
    };
    if (time < 1) {
      requestAnimationFrame(move);
    } else {
      D.strokes = to;
      D.gliding = D.map = null;
    }
    drawPad();
    drawWires();
  };
  D.gliding = 0;
  requestAnimationFrame(move);
}

function settled() {
  const to = centred(D.strokes);
  return D.strokes.every((s, i) => s[0].every((v, axis) => Math.abs(v - to[i][0][axis]) < 0.3));
}

// The square

const padBuffer = make("canvas");

function drawPad() {
  if (POINTS) {
    drawPlane();
    return;
  }
  const [g, width] = fit($("pad"));
  const unit = width / SIDE;
  g.fillStyle = C.blank;
  g.fillRect(0, 0, width, width);
  const moved = D.live || D.keyed || D.gliding !== null;
  if (D.strokes.length && !editing() && (moved || !settled())) drawStrokes(g, unit);
  else if (S.has) {
    pixels(padBuffer, S.x);
    g.imageSmoothingEnabled = false;
    g.drawImage(padBuffer, 0, 0, width, width);
  }
  drawGrid(g, width, unit);
  if (!S.has) drawInvitation(g, width, unit);
  if (document.activeElement === $("pad") && D.keyed) drawCursor(g, unit);
  const chosen = selected();
  if (chosen?.l === 1 && S.weight?.l === 1 && S.weight.i >= 0) {
    g.lineWidth = 2;
    g.strokeStyle = C.positive;
    outline(g, S.weight.i, unit);
  }
}

function outline(g, i, unit) {
  g.strokeRect((i % SIDE) * unit - 1, Math.floor(i / SIDE) * unit - 1, unit + 2, unit + 2);
}

function drawStrokes(g, unit) {
  g.strokeStyle = C.full;
  g.lineWidth = 2 * RADIUS * unit;
  g.lineCap = g.lineJoin = "round";
  for (const stroke of D.strokes) {
    const points = stroke.map(([x, y]) => [x * unit, y * unit]);
    if (points.length === 1) points.push([points[0][0] + 0.1, points[0][1]]);
    segment(g, ...points);
  }
}

function drawGrid(g, width, unit) {
  g.strokeStyle = C.hairline;
  g.globalAlpha = 0.55;
  g.lineWidth = 0.5;
  for (let k = 1; k < SIDE; k++) {
    segment(g, [k * unit, 0], [k * unit, width]);
    segment(g, [0, k * unit], [width, k * unit]);
  }
  g.globalAlpha = 1;
}

function drawInvitation(g, width, unit) {
  const words = TEXTS();
  write(g, words["draw here"], width / 2, width / 2 - 2, { font: "15px", align: "center" });
  write(g, words["draw how"], width / 2, width / 2 + 18, { font: "12.5px", align: "center" });
  const edge = ((SIDE - BOX) / 2) * unit;
  g.strokeStyle = C.control;
  g.setLineDash([4, 4]);
  g.lineWidth = 1;
  g.strokeRect(edge, edge, BOX * unit, BOX * unit);
  g.setLineDash([]);
}

function drawCursor(g, unit) {
  const [column, row] = D.cursor;
  const [left, top, right, bottom] = [column, row, column + 1, row + 1].map((v) => v * unit);
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  g.lineWidth = 2;
  g.strokeStyle = D.pen ? C.negative : C.positive;
  outline(g, SIDE * row + column, unit);
  segment(g, [x, top - 7], [x, top - 2]);
  segment(g, [x, bottom + 2], [x, bottom + 7]);
  segment(g, [left - 7, y], [left - 2, y]);
  segment(g, [right + 2, y], [right + 7, y]);
}
