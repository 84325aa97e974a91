// The graph at one level: its boxes, and how they are connected.
const data = JSON.parse(document.getElementById("data").textContent);
const { things, modules, levels, partials, images } = data;
const pictures = [...document.querySelectorAll("template")];
const SVG = "http://www.w3.org/2000/svg";
let at = -1,
  first = null,
  second = null; // the level, and the ids that are chosen
let into = new Map(),
  out = new Map(),
  boxes = new Map();
const ID = 0,
  SOURCE = 1,
  TARGET = 2,
  LOCAL = 3,
  PARTIAL = 4,
  FORMULA = 5,
  CALL = 6;

function showLevel(number, whole = true) {
  if (number === at || !levels[number]) return;
  at = number;
  const level = levels[at];
  canvas.replaceChildren(pictures[at].content.firstElementChild.cloneNode(true));
  const svg = canvas.firstElementChild,
    [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  Object.assign(view, { width, height });
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  svg.setAttribute("role", "graphics-document");
  for (const image of svg.querySelectorAll("[data-image]"))
    image.setAttribute("href", `data:image/png;base64,${images[image.dataset.image]}`);
  boxes = new Map([...svg.querySelectorAll(".node, .cluster")].map((box) => [box.id, box]));
  for (const [id, box] of boxes) nameBox(id, box);
  for (const title of svg.querySelectorAll("g > text[paint-order]"))
    title.classList.add("frame-title");
  into = new Map();
  out = new Map();
  for (const edge of level.edges) {
    link(into, edge[TARGET], edge);
    link(out, edge[SOURCE], edge);
  }
  const title = document.getElementById("level");
  title.textContent = `${level.title}: ${level.nodes.length} boxes`;
  document.getElementById("less").disabled = at === 0;
  document.getElementById("more").disabled = at === levels.length - 1;
  if (whole) begin();
}

function link(map, key, edge) {
  map.has(key) ? map.get(key).push(edge) : map.set(key, [edge]);
}

function nameBox(id, box) {
  const thing = thingOf(id),
    module = modules[id];
  box.setAttribute("role", "graphics-symbol");
  const words =
    module && !thing?.spoken ? `${module.name}, ${module.kind}, unfolded` : (thing?.spoken ?? id);
  box.setAttribute("aria-label", isFolded(id) ? `${words}. Press Enter to unfold` : words);
  if (box.classList.contains("node")) box.setAttribute("tabindex", "-1");
}

// What is told of a value at this level: a layer's result is computed by the layer as a whole
const thingOf = (id) => levels[at].own[id] ?? things[id];
const isBox = (id) => boxes.get(id)?.classList.contains("node") ?? false;
const isFolded = (id) => Boolean(modules[id]) && isBox(id);

// The box that shows a value at this level: its own, or that of a Module around it
function shownAs(id, number = at) {
  const nodes = new Set(levels[number].nodes);
  const chain = [id, ...(things[id]?.within ?? []), ...around(id)];
  return chain.find((one) => nodes.has(one)) ?? null;
}

function around(id) {
  const found = [];
  for (let module = modules[id]?.within; module; module = modules[module]?.within)
    found.push(module);
  return found;
}

// Where a box is, in the picture's own units
function placeOf(id) {
  const svg = canvas.firstElementChild,
    box = boxes.get(id);
  if (!box) return null;
  const frame = svg.getBoundingClientRect(),
    own = box.getBoundingClientRect(),
    scale = frame.width / view.width || 1;
  return {
    x: (own.left - frame.left) / scale,
    y: (own.top - frame.top) / scale,
    width: own.width / scale,
    height: own.height / scale,
  };
}

function toggle(id) {
  if (isFolded(id)) unfold(id);
  else if (modules[id]) foldUp(id);
  else if (things[id]?.within?.length) foldUp(things[id].within[0]);
}

function unfold(id) {
  const next = levels.findIndex((level, i) => i > at && !level.nodes.includes(id));
  if (next < 0) return;
  showLevel(next, false);
  choose(isInside(id), false);
  const frame = placeOf(id) ?? (first && placeOf(first));
  if (frame) reveal(frame, true);
}

// The first box of this level that is part of a Module
function isInside(id) {
  return (
    levels[at].nodes.find(
      (node) => things[node]?.within?.includes(id) || around(node).includes(id),
    ) ?? null
  );
}

function foldUp(id) {
  for (let i = at - 1; i >= 0; i--) {
    if (!levels[i].nodes.includes(id)) continue;
    showLevel(i, false);
    choose(id);
    return;
  }
  changeLevel(-1);
}

function changeLevel(by) {
  const kept = first;
  showLevel(at + by, !kept);
  const shown = kept && shownAs(kept);
  if (shown) {
    choose(shown, false);
    reveal(placeOf(shown), true);
  } else {
    choose(null);
    begin();
  }
}

// Everything that can be reached from a box along edges: forwards, or backwards
function reached(start, forwards) {
  const seen = new Set([start]),
    pending = [start];
  while (pending.length) {
    for (const edge of (forwards ? out : into).get(pending.pop()) ?? []) {
      const next = edge[forwards ? TARGET : SOURCE];
      if (!seen.has(next)) {
        seen.add(next);
        pending.push(next);
      }
    }
  }
  return seen;
}

// All paths from one box to another: the edges on them, their number, the sum of their products
function pathsBetween(start, end) {
  const ahead = reached(start, true),
    behind = reached(end, false);
  const nodes = levels[at].nodes.filter((id) => ahead.has(id) && behind.has(id));
  if (!ahead.has(end)) return null;
  const count = new Map([[start, 1n]]),
    sum = new Map([[start, 1]]);
  const edges = [];
  let known = true;
  for (const id of nodes) {
    if (id === start) continue;
    let ways = 0n,
      total = 0;
    for (const edge of into.get(id) ?? []) {
      if (!count.has(edge[SOURCE])) continue;
      edges.push(edge);
      ways += count.get(edge[SOURCE]);
      if (edge[LOCAL] === null) known = false;
      total += sum.get(edge[SOURCE]) * (edge[LOCAL] ?? 0);
    }
    count.set(id, ways);
    sum.set(id, total);
  }
  return { nodes, edges, count: count.get(end), total: known ? sum.get(end) : null };
}

// The paths themselves, the first few: each as its edges
function listPaths(start, end, most = 6) {
  const behind = reached(end, false),
    found = [],
    pending = [[start, []]];
  while (pending.length && found.length < most) {
    const [id, edges] = pending.pop();
    if (id === end) {
      found.push(edges);
      continue;
    }
    for (const edge of [...(out.get(id) ?? [])].reverse())
      if (behind.has(edge[TARGET])) pending.push([edge[TARGET], [...edges, edge]]);
  }
  return found;
}
