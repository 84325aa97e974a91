// The graph as a table: a row for each module in the order of computation, what belongs together below each other.

function addGraph(view, into) {
  const { run, other } = view,
    table = make("div", { class: other ? "rows two" : "rows" }),
    happened = make("div", { class: "happened", hidden: true });
  into.replaceChildren(happened, table);
  table.append(titleRow(view));
  const rows = run.rows.filter((row) => row.role !== "buffer" && !isTarget(run, row)),
    updates = [];
  rows.forEach((row, i) => {
    updates.push(...(other ? addPair(view, table, row) : addRow(view, table, row)));
    if (i < rows.length - 1) updates.push(addGap(view, table, row, rows[i + 1]));
  });
  addArcs(table, run, rows);
  updates.push(() => showEvent(view, happened));
  return updates;
}

// An input that only the loss takes: the right answers
const isTarget = (run, row) =>
  row.role === "input" &&
  run.edges.every(([source, target]) => source !== row.id || rowOf(run, target)?.role === "output");

function titleRow(view) {
  const { run, other } = view,
    last = make(
      "span",
      {
        title: "how far one step moves a parameter, as a share of its size; about 1e−3 is healthy",
      },
      strong("step ÷ weight"),
    );
  if (!other)
    return make(
      "div",
      { class: "titles" },
      make("span", {}, "module"),
      ...Object.values(COLUMNS).map(strong),
      last,
    );
  const kinds = Object.keys(COLUMNS),
    pick = make(
      "select",
      {
        "aria-label": "what to compare",
        onchange: () => view.show({ quantity: kinds[pick.selectedIndex] }),
      },
      ...kinds.map((kind) => make("option", {}, COLUMNS[kind])),
    );
  pick.selectedIndex = kinds.indexOf(view.quantity);
  return make(
    "div",
    { class: "titles" },
    pick,
    strong(run.name),
    make("b", { class: "second" }, other.name),
    make("span", {}, "second − first"),
    last,
  );
}

function addRow(view, table, row) {
  const { run } = view,
    element = make(
      "div",
      { class: `row ${row.role}${view.row === row.id ? " chosen" : ""}`, "data-row": row.id },
      rowHead(view, row),
    ),
    updates = [];
  table.append(element);
  if (row.role === "input") return addInput(view, element, row);
  if (row.role === "output") return addLoss(view, element, row);
  if (!isFull(row)) {
    element.classList.add("slim");
    element.append(make("p", { class: "said" }, sourcesText(run, row)));
    return [];
  }
  const weight = weightOf(row),
    units = mapOf(run, row.id, "units");
  if (weight)
    for (const what of ["value", "gradient"])
      updates.push(
        addCell(
          view,
          element,
          mapOf(run, weight, what),
          what,
          what === "value" ? run.shapes[weight] : null,
        ),
      );
  else if (units) updates.push(addUnitsOverRun(element, run, row, () => view.frame, true));
  else element.append(make("figure", { class: "cell wide none" }));
  for (const what of ["output", "backward"])
    updates.push(
      addCell(view, element, mapOf(run, row.id, what), what, what === "output" ? row.shape : null),
    );
  if (row.parameters.length)
    updates.push(addRuler(element, [{ run, parameters: row.parameters, frame: () => view.frame }]));
  else if (units) updates.push(addUnitsNow(view, element, row));
  updates.push(addBadge(view, element, row));
  return updates;
}

function rowHead(view, row) {
  const isChosen = view.row === row.id,
    isLong = row.role === "module" && rowTitle(row).length > 14,
    title = strong(isLong ? row.name : rowTitle(row));
  const count = row.count ? (isLong ? counted(row.count) : `${counted(row.count)} parameters`) : "",
    kind = isLong ? `${row.kind}${row.times > 1 ? ` × ${row.times}` : ""}` : "";
  const below = {
    input: shapeText(row.shape),
    output: row.kind,
    operation: "",
    module: [kind, count].filter(Boolean).join(", "),
  }[row.role];
  title.title = rowTitle(row);
  const inside = [title, make("span", { class: "below" }, below)];
  if (!isFull(row)) return make("div", { class: "head" }, ...inside);
  return make(
    "button",
    {
      class: "head",
      "aria-pressed": String(isChosen),
      title: "what this step does to it",
      onclick: () => view.show({ row: isChosen ? null : row.id }),
    },
    ...inside,
  );
}

function sourcesText(run, row) {
  const sources = run.edges
    .filter(([, target]) => target === row.id)
    .map(([source]) => {
      const from = rowOf(run, source);
      const title = rowTitle(from);
      return from.role === "operation" && title.length === 1 ? `the ${title} above` : title;
    });
  const [, sign] = /^\{\} (\S+) \{\}$/.exec(row.symbol) ?? [];
  return (
    sources.join(sign ? ` ${sign} ` : ", ") + (row.shape.length ? ` ${shapeText(row.shape)}` : "")
  );
}

function addInput(view, element, row) {
  const { run } = view,
    isFirst = run.rows.find((r) => r.role === "input") === row,
    shown = isFirst && run.images ? run.images.shape[0] : 0,
    box = make("div", { class: "thumbs" });
  for (let i = 0; i < shown; i++) {
    const canvas = make("canvas", {
      role: "img",
      "aria-label": run.labels ? `a ${run.labels[i]}` : "example",
    });
    paintExample(canvas, run.images, i);
    box.append(canvas);
  }
  box.append(
    make(
      "span",
      { class: "muted" },
      shown
        ? `${shown} of the ${run.examples} examples that are watched`
        : row.shape[0] === run.examples
          ? `${run.examples} examples that are watched`
          : "",
    ),
  );
  element.append(box);
  return [];
}

function addLoss(view, element, row) {
  const { run } = view,
    said = make("p", { class: "said" }),
    targets = run.rows.filter((input) => isTarget(run, input)).map((input) => input.name),
    answers = targets.length ? ` and their answers ${targets.join(", ")}` : "",
    guess = run.guess ? `; guessing costs ln ${run.outcomes} = ${brief(run.guess, 4)}` : "";
  element.append(said);
  return [
    () =>
      said.replaceChildren(
        strong(brief(at(run.stats[row.id]?.value, view.frame))),
        run.examples ? ` for the ${run.examples} examples${answers}${guess}` : guess,
      ),
  ];
}

// The mark in a row's head, and the row in words for who cannot see it
function addBadge(view, element, row) {
  const head = element.querySelector(".head"),
    badge = make("span", { class: "badge", "aria-hidden": "true" });
  head.append(badge);
  return () => {
    const found = findingsAt(view.run, view.step).find((f) => f.place === row.id);
    badge.textContent = found ? signOf(found.weight) : "";
    if (!view.isPlaying) head.setAttribute("aria-description", rowInWords(view, row, found));
  };
}

function rowInWords({ run, frame }, row, found) {
  const parts = row.parameters.map(
    (name) =>
      `${lastPart(name)}: gradient ${brief(at(run.stats[name]?.norm, frame))}, step ${brief(at(run.stats[name]?.ratio, frame))} of it`,
  );
  const s = run.stats[row.id];
  if (s?.of) parts.push(unitsText(s, frame));
  if (found) parts.push(found.text);
  return parts.join("; ");
}

const PREPARED = "what is computed along the dashed arrow needs no gradient: it is not recorded";

// Between two rows: what goes on, and what stands out above. Its height is kept free: nothing jumps
function addGap(view, table, row, next) {
  const note = make("p", { class: "note" }),
    edge = view.run.edges.find(([source, target]) => source === row.id && target === next.id),
    arrow = draw(
      "svg",
      { viewBox: "0 0 16 23", "aria-hidden": "true" },
      draw("path", { d: "M8 0V18" }),
      draw("polygon", { points: "8,23 4.4,15.5 11.6,15.5" }),
    );
  if (edge) arrow.classList.toggle("unrecorded", edge[2] === false);
  table.append(
    make(
      "div",
      { class: "gap" },
      edge ? arrow : "",
      make("span", { class: "shape" }, row.role === "input" ? "" : shapeText(row.shape)),
      note,
    ),
  );
  if (row.role === "input") {
    const isPrepared = view.run.edges.some(
      ([source, , seen]) => source === row.id && seen === false,
    );
    note.append(isPrepared ? make("span", { class: "muted" }, PREPARED) : "");
    return () => {};
  }
  return () => {
    const [first, ...more] = findingsAt(view.run, view.step).filter((f) => f.place === row.id);
    note.classList.toggle("light", Boolean(first) && first.weight < 2);
    note.replaceChildren(
      ...(first
        ? [
            make("span", { class: "mark" }, `${signOf(first.weight)} `),
            first.text,
            more.length ? make("span", { class: "muted" }, `  and ${more.length} more`) : "",
          ]
        : []),
    );
    note.title = [first, ...more].map((f) => f?.text ?? "").join("\n");
  };
}

function showEvent(view, element) {
  const event = view.run.events.filter((e) => e.step <= view.step).at(-1);
  element.hidden = !event;
  if (event)
    element.replaceChildren(
      make("span", {}, strong(`Step ${whole(event.step)}: `), event.text),
      ...(event.detail ? [make("pre", {}, event.detail.replace(/\/[^\s:]*\//g, ""))] : []),
    );
}

// Edges that skip rows, as arcs on the left, each in a lane of its own while they overlap
function addArcs(table, run, rows) {
  const place = new Map(rows.map((row, i) => [row.id, i])),
    skips = run.edges.filter(
      ([s, t]) => place.has(s) && place.has(t) && place.get(t) - place.get(s) > 1,
    );
  if (!skips.length) return;
  const lanes = [],
    laneOf = skips.map(([s, t]) => {
      let lane = 0;
      while (lanes[lane] > place.get(s)) lane++;
      lanes[lane] = place.get(t);
      return lane;
    });
  table.style.paddingLeft = `${14 * Math.min(lanes.length, 6) + 6}px`;
  const svg = draw("svg", { class: "arcs", "aria-hidden": "true", width: 1, height: 1 });
  table.append(svg);
  const layOut = () => {
    const origin = table.getBoundingClientRect(),
      boxOf = (id) => table.querySelector(`[data-row="${CSS.escape(id)}"]`).getBoundingClientRect();
    svg.replaceChildren(
      ...skips.flatMap(([s, t, seen], i) => {
        const from = boxOf(s),
          to = boxOf(t),
          y0 = from.bottom - origin.top - 8,
          y1 = to.top - origin.top + to.height / 2,
          x1 = to.left - origin.left - 1,
          x0 = x1 - 12 - 12 * Math.min(laneOf[i], 6);
        return [
          draw("path", {
            class: seen === false ? "unrecorded" : "",
            d: `M${x1} ${y0}H${x0 + 7}Q${x0} ${y0} ${x0} ${y0 + 7}V${y1 - 7}Q${x0} ${y1} ${x0 + 7} ${y1}H${x1 - 5}`,
          }),
          draw("polygon", {
            points: `${x1 + 1},${y1} ${x1 - 6},${y1 - 3.6} ${x1 - 6},${y1 + 3.6}`,
          }),
        ];
      }),
    );
  };
  new ResizeObserver(layOut).observe(table);
}
