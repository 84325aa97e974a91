// One row in one step: before + step = after, for the unit that the step moves most, and its numbers over the run.

function addDetail(view, into) {
  const { run } = view,
    row = rowOf(run, view.row),
    box = make("div", { class: "detail" });
  const back = make(
    "button",
    { onclick: () => view.show({ row: null }), title: "Esc" },
    "examples",
  );
  into.append(
    make(
      "div",
      {},
      make(
        "div",
        { class: "heading" },
        make("h2", {}, `${rowTitle(row)}: what this step does`),
        back,
      ),
      box,
    ),
  );
  const shown = row.parameters.filter((name) => !isBias(name) || row.parameters.length === 1);
  return [...shown.map((name) => addSum(view, box, name)), ...addFacts(view, box, row, shown)];
}

function addSum(view, box, name) {
  const { run } = view,
    value = mapOf(run, name, "value"),
    stats = run.stats[name];
  const canvases = [0, 1, 2].map(() => make("canvas")),
    captions = [0, 1, 2].map(() => make("figcaption")),
    moved = make("p", { class: "muted" });
  const [before, step, after] = canvases.map((canvas, i) =>
    make("figure", {}, canvas, captions[i]),
  );
  box.append(
    make(
      "div",
      { class: "sum" },
      before,
      make("span", {}, "+"),
      step,
      make("span", {}, "="),
      after,
    ),
    moved,
  );
  return () => {
    const f = view.frame,
      change = changeOf(run, name, f),
      scale = scaleOf(value, f),
      isStack = value.shape.length === 3;
    const cells = isStack ? value.shape[1] * value.shape[2] : value.cells,
      unit = isStack && change ? strongest(change.map, f, cells) : 0;
    const shape = isStack ? [1, ...value.shape.slice(1)] : value.shape,
      start = unit * cells,
      read = cellReader(value, f);
    const moves = change ? (i) => change.factor * cellReader(change.map, f)(i) : () => 0,
      most = change ? greatest(moves, start, cells) : 1;
    const step_ = change ? cachedReader(moves, start, cells) : () => 0;
    paint(canvases[0], shape, (i) => (read(start + i) - step_(i)) / scale);
    paint(canvases[1], shape, (i) => step_(i) / most);
    paint(canvases[2], shape, (i) => read(start + i) / scale);
    captions[0].innerText = `before\n±${brief(scale, 2)}`;
    captions[1].innerText = change
      ? `${change.isGradient ? "−rate·gradient" : "the step"}\n±${brief(most, 2)}`
      : stats.norm && f
        ? "step not seen\n"
        : "no step yet\n";
    captions[2].innerText = `after\n±${brief(scale, 2)}`;
    moved.textContent =
      isStack && change ? `${lastPart(name)} of unit ${unit}, which this step moves most` : "";
    moved.hidden = !moved.textContent;
  };
}

// The step of a parameter: kept as its gradient where it is a multiple of it. null where no step was seen
function changeOf(run, name, f) {
  const stats = run.stats[name],
    update = mapOf(run, name, "update"),
    gradient = mapOf(run, name, "gradient"),
    step = at(stats.step, f);
  if (typeof step !== "number") return null;
  if (isThere(update, f)) return { map: update, factor: 1, isGradient: false };
  if (!isThere(gradient, f)) return null;
  const count = cellsOf(run.shapes[name]),
    norm = at(stats.norm, f);
  return {
    map: gradient,
    factor: norm > 0 ? (-step * Math.sqrt(count)) / norm : 0,
    isGradient: true,
  };
}

function cachedReader(read, start, cells) {
  const numbers = Float64Array.from({ length: cells }, (_, i) => read(start + i));
  return (i) => numbers[i];
}

function greatest(read, start, cells) {
  let most = 0;
  for (let i = start; i < start + cells; i++) most = Math.max(most, Math.abs(read(i)) || 0);
  return most || 1;
}

function strongest(map, f, cells) {
  // the image with the largest Σ x²
  let best = 0,
    most = -1;
  for (let start = f * map.cells, t = 0; t * cells < map.cells; t++, start += cells) {
    let sum = 0;
    for (let i = start; i < start + cells; i++) sum += map.numbers[i] ** 2;
    if (sum > most) [best, most] = [t, sum];
  }
  return best;
}

function addFacts(view, box, row, parameters) {
  const { run } = view,
    facts = make("dl", { class: "facts" }),
    s = run.stats[row.id] ?? {},
    updates = [];
  const add = (name, series, isLog, format = brief) => {
    if (series?.some((x) => typeof x === "number"))
      updates.push(addFact(view, facts, name, series, isLog, format));
  };
  for (const name of parameters) {
    const { ratio, norm, rms } = run.stats[name],
      short = lastPart(name);
    add(`step ÷ ${short}`, ratio, true, (x) => (typeof x === "number" ? power(x) : "–"));
    add("‖gradient‖", norm, true);
    add(`${short} (rms)`, rms, false);
  }
  add("output (rms)", s.out, false);
  add("‖∂loss/∂output‖", s.back, true);
  add(`units at 0, of ${s.of?.find((x) => x != null)}`, s.dead, false);
  add("saturated", s.saturated, false, percent);
  box.append(facts);
  return updates;
}

function addFact(view, facts, name, series, isLog, format) {
  const numbers = series.map((x) =>
      typeof x === "number" && (!isLog || x > 0) ? (isLog ? Math.log10(x) : x) : null,
    ),
    known = numbers.filter((x) => x !== null);
  const low = Math.min(...known),
    span = Math.max(...known) - low || 1,
    n = Math.max(series.length - 1, 1);
  const points = numbers.flatMap((x, i) =>
    x === null ? [] : [[(150 * i) / n, 18 - (16 * (x - low)) / span]],
  );
  const mark = draw("line", { class: "cursor", y1: 0, y2: 20 }),
    number = make("dd", { class: "number" });
  facts.append(
    make("dt", {}, name),
    make(
      "dd",
      {},
      draw(
        "svg",
        { viewBox: "0 0 150 20", preserveAspectRatio: "none", "aria-hidden": "true" },
        draw("path", { d: line(points) }),
        mark,
      ),
    ),
    number,
  );
  return () => {
    number.textContent = format(at(series, view.frame));
    for (const end of ["x1", "x2"]) mark.setAttribute(end, (150 * view.frame) / n);
  };
}
