// Points of the plane: what the network is told of them, its answer all over, and the picture.

const plane = {
  given: null, // the points, x₁ and x₂ of each in turn
  noise: null, // how far each moves if the noise is 1
  size: 0, // of the noise
  points: null, // the points where they are now
  chosen: POINTS ? Float64Array.from(DATA.chosen) : null, // features that are told: 1, others 0
  at: [0, 0], // the point that is looked at
  cells: null, // what is told of each cell of the picture
  shapes: null, // the same, if all features were told
  version: 0,
  key: "", // of which weights the field is
  field: null, // what each neuron answers in each cell
};
const tellers = {};
const PENALTIES = [0, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3];
const penalty = () => (POINTS ? PENALTIES[+$("penalty").value] : 0);

// The features of points, by the recorded program
function toldOf(
  points,
  { noise = new Float64Array(points.length), size = 0, chosen = plane.chosen } = {},
) {
  const name = `told_${points.length / 2}`;
  const program = (tellers[name] ??= new Recorded(name));
  return program.run(points, noise, [size], chosen);
}

function unpackPoints() {
  plane.given = Float64Array.from(new Float32Array(bytesOf(DATA.images).buffer));
  const random = generator(7);
  plane.noise = Float64Array.from(plane.given, () => gauss(random));
  plane.shapes = toldOf(cellPoints(), { chosen: plane.chosen.map(() => 1) }).features;
  tellAgain();
}

// After other features, or another noise
function tellAgain() {
  const told = toldOf(plane.given, plane);
  X = told.features;
  plane.points = told.points;
  plane.cells = toldOf(cellPoints()).features;
  plane.version++;
}

const pointAt = (i) => [plane.points[2 * i], plane.points[2 * i + 1]];

// The middles of the picture's cells, row by row from the top
function cellPoints() {
  const [x, y, half] = DATA.plane;
  const places = new Float64Array(2 * SIDE * SIDE);
  for (let k = 0; k < SIDE * SIDE; k++) {
    places[2 * k] = x + half * ((2 * (k % SIDE) + 1) / SIDE - 1);
    places[2 * k + 1] = y - half * ((2 * Math.floor(k / SIDE) + 1) / SIDE - 1);
  }
  return places;
}

// What all neurons answer in each cell, with these weights
function fieldOf(weights, version) {
  const key = `${version} ${plane.version}`;
  if (plane.key !== key) {
    plane.over ??= new Recorded("field");
    plane.over.put(weights);
    const { a, answers: last } = plane.over.run(plane.cells);
    plane.field = [plane.shapes, ...a.slice(0, -1), last];
    plane.key = key;
  }
  return plane.field;
}
const fieldNow = () =>
  S.view === "train" ? fieldOf(T.weights, `train ${T.run} ${T.step}`) : fieldOf(P, S.version);

// A neuron's or a feature's answers as a small picture
function fieldTile(canvas, l, j) {
  const values = fieldNow()[l];
  const size = SIZES[l];
  if (l && isUnit(l)) {
    const { blank, full } = C.ramp;
    square(canvas, SIDE, (i) => blank.map((v, c) => mix(v, full[c], values[i * size + j])));
    return;
  }
  let most = 1e-30;
  for (let i = j; i < values.length; i += size) most = Math.max(most, Math.abs(values[i]));
  tile(canvas, (i) => values[i * size + j] / most);
}

// Features

function featureButton(i, tiled) {
  const tiles = tiled ? [make("canvas", { width: SIDE, height: SIDE })] : [];
  const button = make("button", { className: "feature" }, ...tiles, FEATURES[i]);
  button.onclick = () => {
    plane.chosen[i] = 1 - plane.chosen[i];
    dataChanged();
  };
  return Object.assign(button, { i });
}

function featureColumn() {
  const name = { className: "layer inputs", role: "group", ariaLabel: TEXTS().features };
  return make("div", name, ...FEATURES.map((_, i) => featureButton(i, true)));
}

function drawFeatures() {
  for (const button of all(".feature")) {
    const on = Boolean(plane.chosen[button.i]);
    button.setAttribute("aria-pressed", on);
    if (button.firstElementChild) fieldTile(button.firstElementChild, 0, button.i);
  }
}

function dataChanged() {
  tellAgain();
  if (S.source === "sample") Object.assign(plane, { at: pointAt(S.index) });
  if (S.source) S.x = toldOf(Float64Array.from(plane.at)).features;
  S.before = null;
  compute();
  if (S.view === "train") {
    evaluate();
    drawTraining();
    tellTraining(true);
  } else {
    readSheet();
    refresh();
    tell();
  }
}

// The picture

const planeX = (x, width) => ((x - DATA.plane[0]) / DATA.plane[2] + 1) * (width / 2);
const planeY = (y, width) => (1 - (y - DATA.plane[1]) / DATA.plane[2]) * (width / 2);

function drawPlane(canvas = $("pad")) {
  const [g, width] = fit(canvas);
  const answer = fieldNow()[DEPTH];
  drawRegions(g, width, answer);
  for (let k = 0; k < CLASSES; k++) drawBoundary(g, width, answer, k);
  drawScale(g, width);
  const train = S.view === "train";
  for (let i = LABELS.length - 1; i >= 0; i--) {
    const [x, y] = pointAt(i);
    const test = i < PICKED;
    if (!test && i < MEASURED) continue;
    g.globalAlpha = test ? 1 : 0.5;
    drawMark(
      g,
      train && !test ? T.labels[i - MEASURED] : LABELS[i],
      planeX(x, width),
      planeY(y, width),
      test ? 4.5 : 2.4,
      test && S.reads[i] !== LABELS[i],
    );
  }
  g.globalAlpha = 1;
  if (!train && S.has) drawLookedAt(g, width);
}

// In each cell the colour of the class with the largest answer, the fuller the more it leads
function drawRegions(g, width, answer) {
  const colours = NAMES.map((_, k) => hex(C[`class-${k}`]));
  const ground = hex(C.background);
  square(padBuffer, SIDE, (i) => {
    const [top, second] = ranked(answer.subarray(CLASSES * i, CLASSES * (i + 1)));
    const lead = clamp(answer[CLASSES * i + top] - answer[CLASSES * i + second]);
    return ground.map((v, c) => mix(v, colours[top][c], 0.08 + 0.3 * lead));
  });
  g.imageSmoothingEnabled = true;
  g.drawImage(padBuffer, 0, 0, width, width);
}

// Where the answer of a class is as large as the largest of the others
function drawBoundary(g, width, answer, k) {
  const lead = Float64Array.from({ length: SIDE * SIDE }, (_, i) => {
    let others = -Infinity;
    for (let c = 0; c < CLASSES; c++) {
      if (c !== k) others = Math.max(others, answer[CLASSES * i + c]);
    }
    return answer[CLASSES * i + k] - others;
  });
  const unit = width / SIDE;
  const corners = [0, 1, SIDE + 1, SIDE];
  const places = [
    [0, 0],
    [1, 0],
    [1, 1],
    [0, 1],
  ];
  g.strokeStyle = C.ink;
  g.lineWidth = 1.6;
  g.beginPath();
  for (let i = 0; i < SIDE * (SIDE - 1); i++) {
    if (i % SIDE === SIDE - 1) continue;
    const crossed = [];
    for (let c = 0; c < 4; c++) {
      const [from, to] = [lead[i + corners[c]], lead[i + corners[(c + 1) % 4]]];
      if (from > 0 === to > 0) continue;
      const share = from / (from - to);
      const [p, q] = [places[c], places[(c + 1) % 4]];
      crossed.push([0, 1].map((axis) => mix(p[axis], q[axis], share)));
    }
    for (let c = 0; c + 1 < crossed.length; c += 2) {
      for (const [n, [x, y]] of [crossed[c], crossed[c + 1]].entries()) {
        const at = [((i % SIDE) + 0.5 + x) * unit, (Math.floor(i / SIDE) + 0.5 + y) * unit];
        if (n) g.lineTo(...at);
        else g.moveTo(...at);
      }
    }
  }
  g.stroke();
}

// Ticks at round numbers along the lower and the left edge
function drawScale(g, width) {
  const [x, y, half] = DATA.plane;
  const step = [0.5, 1, 2, 5].find((size) => (2 * half) / size <= 6) ?? 5;
  const ticks = (middle) => {
    const first = Math.ceil((middle - half) / step + 0.2);
    const last = Math.floor((middle + half) / step - 0.2);
    return Array.from({ length: last - first + 1 }, (_, k) => (first + k) * step);
  };
  g.lineWidth = 1;
  g.strokeStyle = C.control;
  for (const v of ticks(x)) {
    segment(g, [planeX(v, width), width], [planeX(v, width), width - 4]);
    write(g, plain(v), planeX(v, width), width - 7, { colour: C.ink, align: "center" });
  }
  for (const v of ticks(y)) {
    segment(g, [0, planeY(v, width)], [4, planeY(v, width)]);
    write(g, plain(v), 7, planeY(v, width) + 4, { colour: C.ink });
  }
  write(g, "x₁", width - 6, width - 7, { colour: C.ink, font: "italic 13px", align: "right" });
  write(g, "x₂", 7, 15, { colour: C.ink, font: "italic 13px" });
}

// Each class has a mark as well as a colour; around what is misread there is a ring
const MARKS = [24, 3, 4, 4, 3, 5]; // corners
const TURNS = [0, 0, 0.125, 0, 0.5, 0];
function drawMark(g, k, x, y, radius, wrong = false) {
  g.beginPath();
  const size = radius * (MARKS[k] === 3 ? 1.25 : MARKS[k] === 4 ? 1.15 : 1);
  for (let corner = 0; corner < MARKS[k]; corner++) {
    const angle = 2 * Math.PI * (corner / MARKS[k] + TURNS[k]);
    g.lineTo(x + size * Math.sin(angle), y - size * Math.cos(angle));
  }
  g.closePath();
  g.fillStyle = C[`class-${k}`];
  g.fill();
  if (radius > 3) {
    g.lineWidth = 1;
    g.strokeStyle = C.background;
    g.stroke();
  }
  if (!wrong) return;
  g.beginPath();
  g.arc(x, y, radius + 3, 0, 7);
  g.lineWidth = 1.6;
  g.strokeStyle = C.ink;
  g.stroke();
}

function drawLookedAt(g, width) {
  const [x, y] = [planeX(plane.at[0], width), planeY(plane.at[1], width)];
  g.strokeStyle = C.ink;
  g.lineWidth = 2;
  g.beginPath();
  g.arc(x, y, 9, 0, 7);
  g.stroke();
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ]) {
    segment(g, [x + 9 * dx, y + 9 * dy], [x + 15 * dx, y + 15 * dy]);
  }
  if (S.source === "sample") return;
  g.fillStyle = C.ink;
  disc(g, x, y, 3);
}

// A point of the reader's own

function lookAtPoint(point) {
  const [x, y, half] = DATA.plane;
  plane.at = [clamp(point[0], x - half, x + half), clamp(point[1], y - half, y + half)];
  S.x = toldOf(Float64Array.from(plane.at)).features;
  const label = S.source === "drawn" ? S.label : null;
  Object.assign(S, { source: "drawn", index: -1, label, before: null, trace: [], playing: false });
  Object.assign(S, { dock: label === null ? "label" : "cost" });
  compute();
  S.t = S.goal = label === null ? DEPTH : COST;
  refresh();
}

function noPoint() {
  S.x = new Float32Array(PIXELS);
  Object.assign(S, {
    source: null,
    index: -1,
    label: null,
    before: null,
    trace: [],
    t: 0,
    goal: 0,
  });
  Object.assign(S, { pin: null, soft: null, weight: null, playing: false, dock: "empty" });
  compute();
  refresh();
  tell();
}

// Which point to pick lies nearest, within a distance
function nearestPoint(place, most) {
  let [found, least] = [null, most];
  for (let i = 0; i < PICKED; i++) {
    const [px, py] = pointAt(i);
    const distance = Math.hypot(px - place[0], py - place[1]);
    if (distance < least) [found, least] = [i, distance];
  }
  return found;
}

function wirePlane() {
  const pad = $("pad");
  const half = DATA.plane[2];
  const spot = (event) => {
    const { left, top, width } = pad.getBoundingClientRect();
    return [
      DATA.plane[0] + half * ((2 * (event.clientX - left)) / width - 1),
      DATA.plane[1] - half * ((2 * (event.clientY - top)) / width - 1),
    ];
  };
  let dragged = false;
  pad.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pad.setPointerCapture(event.pointerId);
    pad.classList.add("mouse");
    pad.focus({ preventScroll: true });
    const near = nearestPoint(spot(event), half * (event.pointerType === "mouse" ? 0.04 : 0.1));
    dragged = near === null;
    if (dragged) lookAtPoint(spot(event));
    else pick(near);
  });
  pad.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    lookAtPoint(spot(event));
    tellReading();
  });
  for (const type of ["pointerup", "pointercancel"]) {
    pad.addEventListener(type, () => {
      if (dragged) tellReading(true);
      dragged = false;
    });
  }
  pad.addEventListener("keydown", planeKey);
  $("clear").onclick = noPoint;
  $("spread").oninput = () => {
    plane.size = +$("spread").value;
    dataChanged();
  };
  $("penalty").oninput = drawTraining;
}

// Arrow keys move the point, Enter takes the nearest of those to pick
function planeKey(event) {
  $("pad").classList.remove("mouse");
  const move = MOVES[event.key];
  const step = DATA.plane[2] / (event.shiftKey ? 50 : 10);
  const from = S.has ? plane.at : DATA.plane.slice(0, 2);
  if (move) {
    lookAtPoint([from[0] + move[0] * step, from[1] - move[1] * step]);
    tellReading();
    whisper(WHISPERS.point(plane.at));
  } else if (event.key === "Enter") pick(nearestPoint(from, Infinity));
  else if (event.key === "Delete") noPoint();
  else return;
  handled(event);
}
