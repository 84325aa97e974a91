// Two runs, row by row: the same map of both at the same step, and what the second has more.

function addPair(view, table, row) {
  const { run, other } = view,
    element = make("div", { class: `row ${row.role}`, "data-row": row.id }, rowHead(view, row)),
    theirs = other.rows.find((r) => r.name === row.name && r.kind === row.kind);
  table.append(element);
  if (row.role === "input") return addInput(view, element, row);
  if (row.role === "output") return addLosses(view, element, row, theirs);
  if (!isFull(row)) {
    element.classList.add("slim");
    element.append(make("p", { class: "said" }, sourcesText(run, row)));
    return [];
  }
  const key = (r) => (["value", "gradient"].includes(view.quantity) ? weightOf(r) : r.id),
    ours = mapOf(run, key(row), view.quantity),
    second = theirs && mapOf(other, key(theirs), view.quantity);
  const updates = ours
    ? addThree(view, element, ours, second)
    : addTwoStrips(view, element, row, theirs);
  if (row.parameters.length)
    updates.push(
      addRuler(element, [
        { run, parameters: row.parameters, frame: () => view.frame },
        { run: other, parameters: theirs?.parameters ?? [], frame: () => view.otherFrame },
      ]),
    );
  else updates.push(addTwoTexts(view, element, row, theirs));
  return updates;
}

function addLosses(view, element, row, theirs) {
  const said = make("p", { class: "said" }),
    { run, other } = view;
  element.append(said);
  return [
    () =>
      said.replaceChildren(
        strong(brief(at(run.stats[row.id]?.value, view.frame))),
        " and ",
        make("b", { class: "second" }, brief(at(other.stats[theirs?.id]?.value, view.otherFrame))),
        ` for the ${run.examples} examples`,
      ),
  ];
}

function addThree(view, element, ours, theirs) {
  const cells = ["first", "second", "difference"].map(() => ({
    canvas: make("canvas"),
    left: make("span"),
    right: make("span"),
  }));
  for (const { canvas, left, right } of cells)
    element.append(make("figure", { class: "cell" }, canvas, make("figcaption", {}, left, right)));
  const isAlike = theirs && String(ours.shape) === String(theirs.shape);
  if (!isAlike)
    cells[1].left.textContent = cells[2].left.textContent = theirs
      ? `another shape, ${theirs.shape.join(" × ")}`
      : "not there";
  return [
    () => {
      const f = view.frame,
        g = view.otherFrame,
        size = (map, k) => (map && isThere(map, k) && Number(scaleOf(map, k))) || 0;
      const sizes = [size(ours, f), isAlike ? size(theirs, g) : 0],
        most = Math.max(...sizes) || 1,
        isNear = Math.min(...sizes) * 3 > most || !isAlike;
      const show = ({ canvas, left, right }, shape, read, scale, isOwn) => {
        paint(canvas, shape, (i) => read(i) / scale);
        left.textContent = isOwn ? "a scale of its own" : "";
        right.textContent = `±${brief(scale, 2)}`;
      };
      const first = isThere(ours, f) ? cellReader(ours, f) : () => 0,
        second = isAlike && isThere(theirs, g) ? cellReader(theirs, g) : () => 0;
      show(cells[0], ours.shape, first, isNear ? most : sizes[0] || 1, !isNear);
      if (!isAlike) return;
      show(cells[1], ours.shape, second, isNear ? most : sizes[1] || 1, !isNear);
      show(cells[2], ours.shape, (i) => second(i) - first(i), most, false);
    },
  ];
}

function addTwoStrips(view, element, row, theirs) {
  const { run, other } = view,
    updates = [];
  for (const [r, there, frame] of [
    [run, row, () => view.frame],
    [other, theirs, () => view.otherFrame],
  ]) {
    if (there && mapOf(r, there.id, "units"))
      updates.push(addUnitsOverRun(element, r, there, frame, false));
    else element.append(make("figure", { class: "cell none" }));
  }
  element.append(make("span"));
  return updates;
}

function addTwoTexts(view, element, row, theirs) {
  const { run, other } = view,
    said = make("p", { class: "units" }),
    text = (r, there, f) => (r.stats[there?.id]?.of ? unitsText(r.stats[there.id], f) : "");
  element.append(make("div", { class: "last" }, said));
  return () =>
    said.replaceChildren(
      strong(text(run, row, view.frame)),
      make("br"),
      make("b", { class: "second" }, text(other, theirs, view.otherFrame)),
    );
}
