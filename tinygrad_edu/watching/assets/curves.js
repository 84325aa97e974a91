// Curves over the steps: a line for the mean of each bucket, a band from the least to the greatest value.

const CURVE_WIDTH = 318,
  AXIS_WIDTH = 34,
  LOG_FROM = 8; // LOG_FROM: a loss that falls by more is drawn on a logarithmic scale
const FIRST = ["loss", "accuracy", "rate"];
const isShare = (name) => name.includes("accuracy");

function addCurves(view, into) {
  const names = Object.keys(view.run.curves).filter(
    (name) => view.run.curves[name].step.length || view.run.curves[name].broken != null,
  );
  const rank = (name) => (FIRST.indexOf(name) + FIRST.length + 1) % (FIRST.length + 1);
  names.sort((a, b) => rank(a) - rank(b));
  return names.map((name, i) => addCurve(view, into, name, i === names.length - 1));
}

function addCurve(view, into, name, isLast) {
  const { run, other } = view,
    ours = run.curves[name],
    theirs = other?.curves[name],
    steps = Math.max(run.steps, other?.steps ?? 0, 1);
  const height = name === "loss" ? 122 : isShare(name) ? 70 : 42;
  const scale = curveScale(run, name, [ours, theirs].filter(Boolean), height),
    x = (step) => (CURVE_WIDTH * Math.min(step, steps)) / steps;
  const svg = draw("svg", {
    viewBox: `${-AXIS_WIDTH} 0 ${CURVE_WIDTH + AXIS_WIDTH + 6} ${height + (isLast ? 17 : 5)}`,
    role: "img",
    "aria-label": `${name} over the steps`,
  });
  addAxes(svg, scale, name, height, isLast ? steps : null);
  if (name === "loss" && run.guess && run.guess <= scale.high) {
    svg.append(
      draw("line", {
        class: "guess",
        x1: 0,
        x2: CURVE_WIDTH,
        y1: scale.y(run.guess),
        y2: scale.y(run.guess),
      }),
      words(`guessing: ${brief(run.guess)}`, {
        x: CURVE_WIDTH,
        y: scale.y(run.guess) - 4,
        "text-anchor": "end",
      }),
    );
  }
  const strands = [];
  if (theirs) strands.push(addStrand(svg, theirs, "second", x, scale, false));
  strands.push(addStrand(svg, ours, "first", x, scale, height > 60 && !theirs));
  for (const broken of [ours.broken, theirs?.broken])
    if (broken != null) addBroken(svg, x(broken), height);
  const cursor = draw("line", { class: "cursor", y1: -2, y2: height }),
    value = make("span", { class: "value" }),
    second = make("span", { class: "value second" });
  svg.append(cursor);
  into.append(
    make(
      "div",
      { class: "curve", "data-curve": name },
      make("h2", {}, name + (scale.isLog ? ", logarithmic" : "")),
      make("span", {}, value, second),
      svg,
    ),
  );
  followPointer(view, svg, steps);
  const format = (v) => (isShare(name) ? percent(v) : brief(v));
  return () => {
    const step = view.step;
    cursor.setAttribute("x1", x(step));
    cursor.setAttribute("x2", x(step));
    for (const strand of strands) strand(step);
    value.textContent = isBroken(ours, step)
      ? "NaN"
      : format(curveAt(ours, step) ?? (name === "loss" ? startOf(run) : null));
    second.textContent = theirs
      ? isBroken(theirs, step)
        ? "NaN"
        : format(curveAt(theirs, step))
      : "";
  };
}

const startOf = (run) => at(run.stats[run.rows.at(-1)?.id]?.value, 0);

function curveScale(run, name, curves, height) {
  const isNumber = (x) => typeof x === "number",
    means = curves.flatMap((c) => c.mean).filter(isNumber);
  const ends = curves
    .flatMap((c) => (height > 60 ? [...c.least, ...c.greatest] : c.mean))
    .filter(isNumber)
    .sort((a, b) => a - b);
  let low = Math.min(...means, Infinity),
    high = Math.max(...means, -Infinity);
  if (!means.length) [low, high] = [0, 1];
  const isLog = name === "loss" && low > 0 && high / low > LOG_FROM;
  if (name === "loss" && means.length) {
    const most = ends[Math.floor(0.995 * (ends.length - 1))],
      least = ends[Math.floor(0.02 * ends.length)];
    high = Math.max(
      Math.min(most, 4 * high),
      run.guess && run.guess < 4 * high ? run.guess : -Infinity,
    );
    low = isLog ? Math.max(least, low / 4) : Math.min(low, 0);
  } else if (isShare(name)) [low, high] = [low > 0.85 ? 0.8 : low >= 0.5 ? 0.5 : 0, 1];
  else low = Math.min(low, 0);
  const f = isLog ? Math.log : (x) => x,
    span = f(high) - f(low) || 1,
    room = name === "loss" && run.guess ? 16 : 6; // above: what guessing costs
  const y = (v) =>
    height - 1 - ((f(Math.min(Math.max(v, low), high)) - f(low)) / span) * (height - room);
  return { low, high, isLog, y };
}

function addAxes(svg, scale, name, height, steps) {
  for (const tick of ticks(scale, height)) {
    svg.append(
      draw("line", { class: "grid", x1: 0, x2: CURVE_WIDTH, y1: scale.y(tick), y2: scale.y(tick) }),
    );
    svg.append(
      words(isShare(name) ? `${Math.round(100 * tick)} %` : brief(tick, 2), {
        x: -5,
        y: scale.y(tick) + 3.5,
        "text-anchor": "end",
      }),
    );
  }
  if (steps)
    ["start", "middle", "end"].forEach((anchor, n) =>
      svg.append(
        words(n ? whole((n / 2) * steps) : "step 0", {
          x: (n / 2) * CURVE_WIDTH,
          y: height + 14,
          "text-anchor": anchor,
        }),
      ),
    );
}

function ticks({ low, high, isLog }, height) {
  if (!(high > low)) return [high];
  const found = [];
  if (isLog) {
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++)
      for (const m of [1, 3])
        if (m * 10 ** e >= low && m * 10 ** e <= high) found.push(Number(`${m}e${e}`));
    return found.length > 5 ? found.filter((t) => t.toExponential().startsWith("1")) : found;
  }
  const rough = (high - low) / (height > 100 ? 4 : 2),
    decade = 10 ** Math.floor(Math.log10(rough)),
    size = [1, 2, 5, 10].find((m) => m * decade >= rough) * decade;
  for (let t = Math.ceil(low / size) * size; t <= high * 1.0001; t += size)
    found.push(Number(t.toPrecision(6)));
  return found;
}

// A curve, pale where it has not yet come to; returns what moves it to a step
function addStrand(svg, curve, side, x, scale, hasBand) {
  const middle = (i) => x(curve.step[i] + curve.width / 2),
    points = (series) =>
      series.map((v, i) => [middle(i), scale.y(v)]).filter(([, y]) => Number.isFinite(y));
  const path = line(points(curve.mean)),
    id = `clip${Math.random().toString(36).slice(2)}`,
    clip = draw("rect", { x: 0, y: -4, width: 0, height: 200 });
  const band =
    hasBand && path
      ? draw("path", {
          class: "band",
          d: `${line(points(curve.greatest))}L${line(points(curve.least).reverse()).slice(1)}Z`,
        })
      : null;
  const dot = draw("circle", { class: "dot", r: 3.4 });
  svg.append(
    draw(
      "g",
      { class: side },
      draw("clipPath", { id }, clip),
      draw("path", { class: "line after", d: path }),
      draw("g", { "clip-path": `url(#${id})` }, band, draw("path", { class: "line", d: path })),
      dot,
    ),
  );
  return (step) => {
    const v = curveAt(curve, step);
    clip.setAttribute("width", Math.max(x(step), 0.01));
    dot.style.display = v == null ? "none" : "";
    if (v != null) {
      dot.setAttribute("cx", x(Math.min(step, curve.step.at(-1) + curve.width / 2)));
      dot.setAttribute("cy", scale.y(v));
    }
  };
}

function addBroken(svg, x, height) {
  const isRight = x > CURVE_WIDTH - 34;
  svg.append(
    draw("line", { class: "broken", x1: x, x2: x, y1: 0, y2: height }),
    words("NaN", {
      class: "broken-text",
      x: isRight ? x - 4 : x + 4,
      y: 26, // below what guessing costs
      "text-anchor": isRight ? "end" : "start",
    }),
  );
}

function followPointer(view, svg, steps) {
  const pick = (event) => {
    const box = svg.getBoundingClientRect(),
      place =
        ((event.clientX - box.left) / box.width) * (CURVE_WIDTH + AXIS_WIDTH + 6) - AXIS_WIDTH;
    view.go(nearestFrame(view.run, (steps * place) / CURVE_WIDTH));
  };
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    pick(event);
  });
  svg.addEventListener("pointermove", (event) => {
    if (event.buttons) pick(event);
  });
}
