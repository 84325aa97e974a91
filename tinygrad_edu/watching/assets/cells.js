// What stands in a row: heat maps, units over the run and now, and the step as a share of the weights.

const RULER = { left: 8, width: 154, low: -7 }; // step ÷ weight from 1e−7 to 1
const HEALTHY = [1e-4, 1e-2],
  TRAIL = 24; // frames before, that stay in sight

function addCell(view, into, map, what, shape) {
  const canvas = make("canvas"),
    scale = make("span"),
    title = make("span", { class: "title" }, COLUMNS[what]);
  into.append(
    make(
      "figure",
      { class: `cell ${what}` },
      canvas,
      make("figcaption", {}, make("span", {}, title, map && shape ? shapeText(shape) : ""), scale),
    ),
  );
  if (!map) return () => {};
  return () => {
    const f = view.frame,
      known = isThere(map, f),
      lost = known && isLost(map, f),
      most = scaleOf(map, f),
      greatest = map.greatest[f];
    canvas.classList.toggle("lost", lost);
    canvas.classList.toggle("empty", !known);
    if (!known || lost) Object.assign(canvas, { width: 1, height: 1 });
    else {
      const read = cellReader(map, f),
        divisor = (typeof most === "number" && most) || 1;
      const shown = paint(canvas, map.shape, (i) => read(i) / divisor);
      canvas.title =
        map.shape.length === 3 && shown < map.shape[0] ? `${shown} of ${map.shape[0]} shown` : "";
    }
    const beyond = typeof greatest === "number" && greatest > 1.5 * most;
    scale.textContent = !known
      ? "–"
      : typeof greatest === "string"
        ? brief(greatest)
        : beyond
          ? `up to ${brief(greatest, 2)}`
          : most
            ? `±${brief(most, 2)}`
            : "0";
    scale.title = beyond ? `the scale ends at ±${brief(most, 2)}` : "";
    scale.classList.toggle("beyond", beyond);
  };
}

// Units over the run: a line for each unit, how often it is on, or where its curve is flat
function addUnitsOverRun(into, run, row, frame, isWide) {
  const map = mapOf(run, row.id, "units"),
    canvas = make("canvas"),
    mark = make("i"),
    left = make("span");
  into.append(
    make(
      "figure",
      { class: `cell ${isWide ? "wide" : ""}` },
      make("div", { class: "over" }, canvas, mark),
      make("figcaption", {}, left, make("span", {}, "run →")),
    ),
  );
  const frames = run.frames.step.length,
    units = map.cells,
    isSaturation = Boolean(run.stats[row.id].saturated);
  const readers = Array.from({ length: frames }, (_, f) =>
    isThere(map, f) ? cellReader(map, f) : () => NaN,
  );
  paint(
    canvas,
    [units, frames],
    (k) => readers[k % frames](Math.floor(k / frames)),
    isSaturation ? greyed : signed,
  );
  left.textContent = `${units} units: how often ${isSaturation ? "saturated" : isWide ? "on; white: never" : "on"}`;
  return () => {
    mark.style.left = `${(100 * (frame() + 0.5)) / frames}%`;
  };
}

function addUnitsNow(view, into, row) {
  const { run } = view,
    map = mapOf(run, row.id, "units"),
    s = run.stats[row.id],
    isSaturation = Boolean(s.saturated);
  const svg = draw("svg", { viewBox: "0 0 170 58", "aria-hidden": "true" }),
    units = map.cells,
    width = Math.min(RULER.width / units, 10);
  into.append(make("div", { class: "last", "data-title": "units, now" }, svg));
  return () => {
    const f = view.frame,
      read = isThere(map, f) ? cellReader(map, f) : null,
      marks = [];
    for (let i = 0; i < units && read; i++) {
      const share = read(i),
        x = RULER.left + i * width;
      if (!isSaturation && share === 0)
        marks.push(draw("path", { class: "never", d: `M${x + width / 2 - 2} 42l4 5m0 -5l-4 5` }));
      else
        marks.push(
          draw("rect", {
            class: `bar ${isSaturation ? "saturated" : ""}`,
            x: x + 0.5,
            width: Math.max(width - 1, 0.8),
            y: 47 - 29 * share,
            height: 29 * share + 0.6,
          }),
        );
    }
    marks.push(
      draw("line", {
        class: "axis",
        x1: RULER.left,
        x2: RULER.left + units * width,
        y1: 48,
        y2: 48,
      }),
    );
    const isGrave = at(s.dead, f) > 0 || at(s.saturated, f) >= 0.5;
    svg.replaceChildren(
      ...marks,
      words(unitsText(s, f), { x: RULER.left, y: 12, class: isGrave ? "strong" : "" }),
    );
  };
}

function unitsText(s, f) {
  if (s?.saturated)
    return at(s.saturated, f) == null ? "NaN" : `${percent(at(s.saturated, f))} saturated`;
  const dead = at(s?.dead, f);
  return dead == null
    ? "NaN"
    : dead
      ? `${dead} of ${at(s.of, f)} never on`
      : "every unit is on at times";
}

// step ÷ weight on a logarithmic ruler: ● weight, ○ bias, and where they were in the frames before
const rulerX = (ratio) =>
  RULER.left +
  (RULER.width * (Math.log10(Math.min(Math.max(ratio, 10 ** RULER.low), 1)) - RULER.low)) /
    -RULER.low;

function addRuler(into, strands) {
  // a strand: {run, parameters, frame()}
  const svg = draw("svg", { viewBox: "0 0 170 58", "aria-hidden": "true" });
  svg.append(
    draw("rect", {
      class: "healthy",
      x: rulerX(HEALTHY[0]),
      width: rulerX(HEALTHY[1]) - rulerX(HEALTHY[0]),
      y: 6,
      height: 36,
      rx: 3,
    }),
  );
  for (const [size, label] of [
    [1e-6, "1e−6"],
    [1e-3, "1e−3"],
    [1, "1"],
  ]) {
    const x = rulerX(size);
    svg.append(
      draw("line", { class: "axis", x1: x, x2: x, y1: 6, y2: 42 }),
      words(label, { x, y: 54, "text-anchor": "middle" }),
    );
  }
  svg.append(
    draw("line", { class: "axis", x1: RULER.left, x2: RULER.left + RULER.width, y1: 42, y2: 42 }),
  );
  const groups = strands.map((_, i) => draw("g", { class: i ? "second" : "" }));
  svg.append(...groups);
  into.append(make("div", { class: "last", "data-title": "step ÷ weight" }, svg));
  return () =>
    strands.forEach((strand, i) =>
      groups[i].replaceChildren(
        ...rulerMarks(strand, strands.length > 1 ? 17 + 15 * i : 27, strands.length > 1),
      ),
    );
}

function rulerMarks({ run, parameters, frame }, y, isOneOfTwo) {
  const f = frame(),
    marks = [],
    main = parameters.find((name) => !isBias(name));
  for (const name of parameters) {
    const ratio = run.stats[name]?.ratio,
      now = at(ratio, f);
    if (name === main)
      for (let k = Math.max(f - TRAIL, 0); k < f; k++)
        if (typeof at(ratio, k) === "number" && ratio[k] > 0)
          marks.push(draw("circle", { class: "trail", cx: rulerX(ratio[k]), cy: y, r: 2.4 }));
    if (typeof now === "number")
      marks.push(
        draw("circle", {
          class: isBias(name) ? "bias" : "weight",
          cx: rulerX(now),
          cy: y,
          r: isBias(name) ? 3 : 4.6,
        }),
      );
  }
  const now = at(run.stats[main]?.ratio, f);
  if (typeof now !== "number")
    marks.push(
      words(f ? "–" : "no step yet", { x: rulerX(1e-3), y: y + 3, "text-anchor": "middle" }),
    );
  else if (isOneOfTwo)
    marks.push(
      words(power(now), {
        class: "strong",
        x: rulerX(now) > 60 ? RULER.left : RULER.left + RULER.width,
        y: y + 4,
        "text-anchor": rulerX(now) > 60 ? "start" : "end",
      }),
    );
  else
    marks.push(
      words(power(now), {
        class: "strong",
        x: Math.min(Math.max(rulerX(now), 22), 148),
        y: y - 9,
        "text-anchor": "middle",
      }),
    );
  return marks;
}
