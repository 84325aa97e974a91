// What a training looks like: first weights, answers, cost, right answers, gradient.

const CHART = { left: 36, right: 150, low: 18, top: 6 };
const DASHES = [[], [7, 3], [2, 3], [10, 3, 2, 3]];

function buildCharts() {
  const tiles = DRAWN[1].map((j) =>
    Object.assign(make("canvas", { width: SIDE, height: SIDE }), { j }),
  );
  $("mosaic").append(...tiles.map((canvas) => make("figure", {}, canvas)));
  $("mosaic").style.setProperty("--across", Math.ceil(Math.sqrt(tiles.length)));
  $("hists").append(
    ...layersFrom(1).map((l) => {
      const canvas = Object.assign(make("canvas"), { l });
      canvas.setAttribute("role", "img");
      return make("figure", {}, canvas, make("figcaption", { textContent: layerName(l) }));
    }),
  );
  if (POINTS) {
    $("told").append(...FEATURES.map((_, i) => featureButton(i, false)));
    $("penalty").max = PENALTIES.length - 1;
    $("spread").max = plain(DATA.plane[2] / 4, 1);
    $("spread").step = $("spread").max / 10;
    announce($("field"), TEXTS()["draws the line"]);
  }
  $("batch").max = DATA.batches.length - 1;
  $("batch").value = Math.max(DATA.batches.indexOf(32), 0);
  const [low, , good, high] = DATA.rates;
  Object.assign($("rate2"), {
    min: Math.log10(low) - 0.7,
    max: Math.log10(high) + 0.8,
    value: Math.log10(good),
  });
  for (const rate of DATA.rates) {
    const chip = make("button", { textContent: rate, onclick: () => restartAt(rate) });
    $("chips").lastElementChild.before(Object.assign(chip, { rate }));
  }
}

function drawTraining() {
  drawCostChart();
  drawRightChart();
  drawGradientChart();
  if (POINTS) drawPlane($("field"));
  for (const canvas of all("#mosaic canvas")) {
    if (POINTS) fieldTile(canvas, 1, canvas.j);
    else weightTile(canvas, T.weights, LAYERS[1].weights + PIXELS * canvas.j);
  }
  for (const canvas of all("#hists canvas")) drawHistogram(canvas);
  drawClock();
  drawSheet();
  tellTraining();
}

// A chart's frame: its axes, and where a step and a value lie
function chart(id, Y, ticks) {
  const [g, width, height] = fit($(id));
  const last = Math.max(T.step, 200);
  const right = width - (width < 420 ? 110 : CHART.right);
  const x = (step) => mix(CHART.left, right, step / last);
  const y = (v) => mix(height - CHART.low, CHART.top, clamp(Y(v)));
  g.lineWidth = 1;
  g.strokeStyle = C.hairline;
  for (const [v, words] of ticks) {
    segment(g, [CHART.left, y(v)], [right, y(v)]);
    write(g, words, CHART.left - 5, y(v) + 4, { align: "right" });
  }
  write(g, "step 0", CHART.left, height - 3);
  write(g, count(last), right, height - 3, { align: "right" });
  return { g, x, y, right, height };
}

function rule({ g, y, right }, v, words, below = 4) {
  g.setLineDash([5, 4]);
  g.strokeStyle = C.muted;
  segment(g, [CHART.left, y(v)], [right, y(v)]);
  g.setLineDash([]);
  write(g, words, right + 6, y(v) + below);
}

function plot({ g, x, y }, rows, column, colour, dash = []) {
  const points = rows.filter((row) => row[column] !== null);
  if (!points.length) return;
  g.strokeStyle = g.fillStyle = colour;
  g.lineWidth = 2.2;
  g.setLineDash(dash);
  segment(g, ...points.map((row) => [x(row[0]), y(row[column])]));
  g.setLineDash([]);
  const end = points.at(-1);
  disc(g, x(end[0]), y(end[column]), 3.2);
}

function drawCostChart() {
  const { even, none } = DATA.marks;
  const most = 1.6 * (none ?? even);
  const step = most > 2 ? 1 : 0.5;
  const ticks = Array.from({ length: Math.floor(most / step) + 1 }, (_, k) => [
    k * step,
    plain(k * step),
  ]);
  const frame_ = chart("chart1", (v) => v / most, ticks);
  if (none) rule(frame_, none, TRAINING.none(none), -2);
  rule(frame_, even, TRAINING.even(even), none ? 12 : 4);
  plot(frame_, T.history, 1, C.output);
  $("c1").textContent = T.mean === null ? "" : num(T.mean);
  announce($("chart1"), TRAINING.aria.cost(T.mean, T.step));
}

function drawRightChart() {
  const ticks = [0, 0.5, 1].map((v) => [v, v ? String(100 * v) : "0 %"]);
  const frame_ = chart("chart2", (v) => v, ticks);
  const near = Math.abs(DATA.right[0] - 1 / CLASSES) < 0.08;
  rule(frame_, 1 / CLASSES, TRAINING.guess(), near && !T.shuffled ? 18 : 4);
  if (!T.shuffled) rule(frame_, DATA.right[0], TRAINING.trained());
  if (T.shuffled) {
    plot(frame_, T.rights, 2, C.parameter, [7, 3]);
    const { g, y, right } = frame_;
    const style = { colour: C.parameter, font: "600 12px" };
    write(g, TRAINING.known, right + 6, Math.min(y(T.known ?? 0) + 4, y(1 / CLASSES) - 12), style);
  }
  plot(frame_, T.rights, 1, C.positive);
  $("c2").textContent = percent(T.right);
  announce($("chart2"), TRAINING.aria.right(T.right, T.step));
}

function drawGradientChart() {
  const ticks = [
    [1e-6, "10⁻⁶"],
    [1e-4, "10⁻⁴"],
    [0.01, "0.01"],
    [1, "1"],
  ];
  const frame_ = chart("chart3", (v) => (Math.log10(Math.max(v, 1e-9)) + 6) / 6.5, ticks);
  const colours = [C.output, C.parameter, C.operation, C.input];
  const ends = layersFrom(1)
    .reverse()
    .map((l, n) => {
      plot(frame_, T.history, 1 + l, colours[n], DASHES[n]);
      const last = T.history.at(-1);
      return last && { y: frame_.y(last[1 + l]) + 4, colour: colours[n], words: layerName(l) };
    })
    .filter(Boolean);
  nameEnds(frame_, ends);
  const length = T.norms ? norm(T.norms) : null;
  $("c3").textContent = length === null ? "" : num(length, 2);
  announce($("chart3"), TRAINING.aria.gradient(length));
}

// Names at the ends of curves, moved apart where they would overlap
function nameEnds({ g, x, right, height }, ends) {
  ends.sort((p, q) => p.y - q.y);
  ends.forEach((end, k) => {
    end.y = Math.max(end.y, k ? ends[k - 1].y + 13 : 12);
  });
  let roof = height - 20;
  for (const end of [...ends].reverse()) {
    end.y = Math.min(end.y, roof);
    roof = end.y - 13;
  }
  const place = Math.min(x(T.step) + 8, right + 7);
  for (const { y, colour, words } of ends) write(g, words, place, y, { colour, font: "600 12px" });
}

function drawHistogram(canvas) {
  const { l } = canvas;
  const [g, width, height] = fit(canvas);
  const values = T.activations[l];
  const [from, to] = rangeOf(l, values);
  const bins = new Float64Array(20);
  for (const v of values) bins[clamp(Math.floor(((v - from) / (to - from)) * 20), 0, 19)]++;
  const low = height - 16;
  const bar = (width - 4) / 20;
  const most = Math.max(largest(bins) / values.length, 0.35);
  g.fillStyle = l === DEPTH ? C.output : C.operation;
  bins.forEach((n, k) => {
    const tall = ((low - 16) * n) / values.length / most;
    g.fillRect(2 + k * bar + 0.5, low - tall, bar - 1, tall);
  });
  g.strokeStyle = C.control;
  g.lineWidth = 1;
  segment(g, [0, low], [width, low]);
  write(g, plain(from), 2, height - 3);
  write(g, plain(to), width - 2, height - 3, { align: "right" });
  const { kind } = LAYERS[l];
  const flat = ["Sigmoid", "Tanh", ""].includes(kind) ? bins[0] + bins[19] : zeros(values);
  const words = TRAINING.ends(flat / values.length, kind);
  write(g, words, width / 2, 11, { align: "center" });
  announce(canvas, TRAINING.aria.answers(l, words));
}

const zeros = (values) => values.reduce((n, v) => n + (v === 0), 0);
function rangeOf(l, values) {
  if (l === DEPTH || isUnit(l)) return [0, 1];
  const most = Math.max(1, largest(values));
  return LAYERS[l].range === "positive" ? [0, most] : [-most, most];
}

function drawClock() {
  $("steps").textContent = count(T.step);
  $("epochs").textContent = (T.seen / IMAGES).toFixed(1);
  $("pace").textContent = T.ms ? `${num(T.ms, 2)} ms` : "–";
  const rate = trainRate();
  $("penalty-out").textContent = plain(penalty());
  $("penalty").setAttribute("aria-valuetext", plain(penalty()));
  $("spread-out").textContent = plain(plane.size);
  $("rate2-out").textContent = num(rate, 2);
  $("rate2").setAttribute("aria-valuetext", num(rate, 2));
  $("batch-out").textContent = count(batchSize());
  $("batch").setAttribute("aria-valuetext", batchSize());
  $("shuffled").checked = T.shuffled;
  for (const chip of all("#chips button")) {
    chip.setAttribute("aria-pressed", Math.abs(Math.log10(chip.rate / rate)) < 0.03);
  }
}
