// What is chosen: marks in the picture, and the panel beside it.
const panel = document.getElementById("panel"),
  spoken = document.getElementById("spoken");
const HELP = [
  ["arrow keys", "follow an edge, across: to the next of several"],
  ["Enter", "fold or unfold a Module"],
  ["Shift + click, or P", "choose a second value: the paths between"],
  ["+ − 0", "zoom, show everything"],
  ["Shift + arrows", "move the picture"],
  ["[ ]", "fold or unfold a level"],
  ["/", "find a name"],
  ["Escape", "choose nothing"],
];

function element(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  if (tag === "pre") made.tabIndex = 0; // it may scroll
  return made;
}

function formula(inside) {
  const made = element("div", undefined, "formula");
  made.innerHTML = `<math displaystyle="true">${inside}</math>`;
  return made;
}

function list(pairs) {
  const made = element("dl");
  for (const [word, content] of pairs) {
    if (!content) continue;
    made.append(element("dt", word));
    const place = element("dd");
    place.append(content.includes?.("\n") ? element("pre", content) : content);
    made.append(place);
  }
  return made;
}

function tell(id) {
  panel.replaceChildren();
  const thing = id && thingOf(id),
    module = modules[id];
  if (!id) {
    panel.append(
      element("h2", "A computation graph"),
      element(
        "p",
        "Choose a box: its numbers, its formula and its derivatives are shown here.",
        "note",
      ),
    );
    const keys = element("dl");
    for (const [key, what] of HELP) {
      const dt = element("dt");
      dt.append(element("kbd", key));
      keys.append(dt, element("dd", what));
    }
    panel.append(keys);
    return;
  }
  if (!thing?.role) {
    panel.append(
      element("h2", module.name),
      list([
        ["Module", module.kind],
        ["parameters", module.count.toLocaleString("en")],
      ]),
      foldButton(id, "Fold to one box"),
    );
    return;
  }
  const role = element("p", thing.role, "role");
  role.style.setProperty("background", `var(--${thing.role})`);
  panel.append(element("h2", thing.name), role);
  if (thing.line) {
    const [, place, text] = thing.line.match(/^(.*?:\d+[^:]*)(?:: (.*))?$/) ?? [
      null,
      thing.line,
      "",
    ];
    if (text) panel.append(element("pre", text, "code"));
    panel.append(element("p", place, "note"));
  }
  if (thing.formula) panel.append(formula(thing.formula));
  else if (thing.text) panel.append(element("p", thing.text));
  panel.append(
    list([
      ["kind", thing.kind],
      ["shape", `${thing.shape} ${thing.type}`],
      ["holds", thing.holds],
      ["value", thing.value],
      [data.second, thing.gradient],
      ["Module", (things[id]?.within ?? []).map((m) => modules[m]?.name).filter(Boolean)[0]],
    ]),
  );
  if (isFolded(id)) panel.append(foldButton(id, "Unfold"));
  const given = into.get(id) ?? [];
  if (given.length)
    panel.append(
      element("h2", "Its inputs, and what it passes back to them"),
      edgeList(given, SOURCE),
    );
  const used = out.get(id) ?? [];
  if (used.length) panel.append(element("h2", "Where it is used"), edgeList(used, TARGET));
}

function foldButton(id, text) {
  const made = element("button", text);
  made.addEventListener("click", () => toggle(id));
  return made;
}

function edgeList(edges, end) {
  const made = element("ul");
  for (const edge of edges) {
    const item = element("li"),
      go = element("button", thingOf(edge[end])?.name ?? edge[end]);
    go.addEventListener("click", () => choose(edge[end]));
    item.append(go);
    if (!edge[CALL])
      item.append(element("p", "not recorded: nothing there needs a gradient", "note"));
    if (end === SOURCE) describe(edge, item);
    made.append(item);
  }
  return made;
}

function describe(edge, item) {
  if (edge[LOCAL] !== null) item.append(element("p", `local derivative ${signed(edge[LOCAL])}`));
  if (edge[FORMULA]) item.append(formula(edge[FORMULA]));
  if (edge[PARTIAL] === null) return;
  const [text, place] = partials[edge[PARTIAL]];
  item.append(element("pre", text, "code"), element("p", place, "note"));
}

const signed = (number) => String(Number(number.toPrecision(5))).replaceAll("-", "−");

// Marks: lines around boxes, colours of edges
function mark(id, kind) {
  const box = boxes.get(id);
  if (!box) return;
  const shape = [...box.children].find((child) => "getBBox" in child);
  if (!shape) return;
  const { x, y, width, height } = box.getBBox(),
    line = document.createElementNS(SVG, "rect");
  for (const [name, value] of Object.entries({
    class: `halo ${kind}`,
    x: x - 4,
    y: y - 4,
    width: width + 8,
    height: height + 8,
    rx: 4,
  }))
    line.setAttribute(name, value);
  box.append(line);
}

function unmark() {
  for (const line of canvas.querySelectorAll(".halo")) line.remove();
  for (const one of canvas.querySelectorAll(".near, .way, .on"))
    one.classList.remove("near", "way", "on");
  canvas.classList.remove("faint");
}

function edgeOf(edge) {
  return document.getElementById(edge[ID]);
}

function choose(id, bring = true) {
  unmark();
  for (const box of canvas.querySelectorAll('.node[tabindex="0"]'))
    box.setAttribute("tabindex", "-1");
  first = id;
  second = null;
  tell(id);
  const start = id ?? levels[at].nodes.at(-1);
  if (isBox(start)) boxes.get(start).setAttribute("tabindex", "0");
  if (id) {
    mark(id, "first");
    for (const edge of [...(into.get(id) ?? []), ...(out.get(id) ?? [])])
      edgeOf(edge)?.classList.add("near");
    if (bring && boxes.has(id)) reveal(placeOf(id));
    spoken.textContent = boxes.get(id)?.getAttribute("aria-label") ?? "";
  }
  remember();
}

// Two values: the paths between them, and what they multiply to
function chooseSecond(id) {
  if (!first || id === first) return choose(id);
  const order = pathsBetween(first, id) ? [first, id] : [id, first];
  const found = pathsBetween(...order),
    from = thingOf(order[0])?.name,
    to = thingOf(order[1])?.name;
  unmark();
  second = id;
  mark(first, "first");
  mark(second, "second");
  panel.replaceChildren(element("h2", `${from} → ${to}`));
  if (!found) {
    panel.append(
      element(
        "p",
        `No path leads from one to the other: a change of ${from} does not reach ${to}.`,
      ),
    );
  } else {
    canvas.classList.add("faint");
    for (const node of found.nodes) boxes.get(node)?.classList.add("on");
    for (const edge of found.edges) edgeOf(edge)?.classList.add("way");
    const count = found.count === 1n ? "1 path" : `${found.count.toLocaleString("en")} paths`;
    panel.append(element("p", count));
    if (found.total !== null)
      panel.append(
        element("p", `∂${to}/∂${from} = ${signed(found.total)}, the sum over the paths`),
      );
    const paths = element("ul");
    for (const way of listPaths(...order)) {
      const names = [from, ...way.map((edge) => thingOf(edge[TARGET])?.name)].join(" → ");
      const locals = way.map((edge) => edge[LOCAL]);
      const item = element("li", names);
      if (!locals.includes(null))
        item.append(
          element(
            "p",
            `${locals.map((x) => (x < 0 ? `(${signed(x)})` : signed(x))).join(" × ")} = ${signed(locals.reduce((a, b) => a * b, 1))}`,
            "note",
          ),
        );
      paths.append(item);
    }
    panel.append(paths);
  }
  spoken.textContent = panel.textContent;
  remember();
}

// Along edges by the arrow keys: forwards, backwards, and across to the next of several
let siblings = [];
function follow(forwards) {
  if (!first || !isBox(first)) return choose(levels[at].nodes.at(forwards ? 0 : -1));
  const edges = (forwards ? out : into).get(first) ?? [];
  siblings = [...new Set(edges.map((edge) => edge[forwards ? TARGET : SOURCE]))];
  if (!forwards)
    siblings.sort((a, b) => Number(Boolean(thingOf(b)?.kind)) - Number(Boolean(thingOf(a)?.kind)));
  if (siblings.length) choose(siblings[0]);
  boxes.get(first)?.focus({ preventScroll: true });
}

function across(by) {
  const place = siblings.indexOf(first);
  if (place < 0 || siblings.length < 2) return;
  const all = siblings;
  choose(all[(place + by + all.length) % all.length]);
  siblings = all;
  boxes.get(first)?.focus({ preventScroll: true });
}
