"use strict";

// A step: {phase, text, node, near, edges}, where forward and update steps have a `value` for the node, backward ones a
// `gradient`, and the last one, again, has `values` by node.
const { steps, images, questions, matrices } = JSON.parse(
  document.getElementById("data").textContent,
);
const last = steps.length - 1;
const [graph, slider, play, count, spoken] = ["graph", "slider", "play", "count", "spoken"].map(
  (id) => document.getElementById(id),
);
const nodes = [...graph.querySelectorAll(".node")],
  edges = [...graph.querySelectorAll(".edge")];
const panels = [...document.querySelectorAll("#panels > article")];
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let at = 0,
  timer = null;

function show(step) {
  at = Math.min(Math.max(step, 0), last);
  const now = steps[at];
  paint(now);
  panels.forEach((panel, i) => {
    panel.hidden = i !== at;
  });
  document.body.dataset.phase = now.phase;
  slider.value = at;
  slider.setAttribute("aria-valuetext", `${at} of ${last}`);
  count.textContent = `${at} of ${last}`;
  spoken.textContent = `Step ${at} of ${last}, ${now.phase}: ${now.text}`;
  for (const id of ["first", "back"]) document.getElementById(id).disabled = at === 0;
  for (const id of ["next", "last"]) document.getElementById(id).disabled = at === last;
  if (at === last) pause();
  ask();
  reveal([now.node, ...now.near]);
  openToKeys();
}

// What the steps so far have brought about: values, gradients (a later sum replaces an earlier one), edges passed.
// With the values of the last step, gradients and what the edges passed are out of date
function paint(now) {
  const values = new Map(),
    gradients = new Map(),
    passed = new Set(),
    changed = new Set();
  const replace = (node, value) => {
    if (values.get(node) !== value) changed.add(node);
    values.set(node, value);
  };
  for (const [number, step] of steps.slice(0, at + 1).entries()) {
    if (step.phase === "forward") values.set(step.node, step.value);
    if (isHidden(number)) gradients.set(step.node, gradients.get(step.node) ?? "?");
    else if (step.phase === "backward") {
      gradients.set(step.node, step.gradient);
      step.edges.forEach((edge) => passed.add(edge));
    }
    if (step.phase === "update" && step.value) replace(step.node, step.value);
    if (step.phase === "again") {
      Object.entries(step.values).forEach((pair) => replace(...pair));
      gradients.clear();
      passed.clear();
    }
  }
  for (const node of nodes) {
    write(node.querySelector(".value"), values.get(node.id));
    write(node.querySelector(".gradient"), gradients.get(node.id));
    node.querySelector(".value").classList.toggle("changed", changed.has(node.id));
    node.classList.toggle("known", values.has(node.id));
    node.classList.toggle("now", node.id === now.node);
    node.classList.toggle("near", now.near.includes(node.id) && node.id !== now.node);
  }
  for (const edge of edges) {
    edge.classList.toggle("passed", passed.has(edge.id));
    edge.classList.toggle("now", now.edges.includes(edge.id));
    edge.classList.toggle("way", (now.ways ?? []).includes(edge.id));
  }
}

function write(place, number = "") {
  if (!place) return;
  place.textContent = number;
  place.classList.toggle("zero", number === "0");
  place.classList.toggle("positive", /^[1-9]|^0\./.test(number) && !/[,…]/.test(number));
  place.classList.toggle("negative", number.startsWith("−") && !number.includes(","));
}

// Scroll the graph, if what the step is about is not in sight
function reveal(ids) {
  const boxes = nodes
    .filter((node) => ids.includes(node.id))
    .map((node) => node.getBoundingClientRect());
  if (!boxes.length) return;
  const frame = graph.getBoundingClientRect(),
    margin = 12;
  const left = Math.min(...boxes.map((box) => box.left)),
    right = Math.max(...boxes.map((box) => box.right));
  const top = Math.min(...boxes.map((box) => box.top)),
    bottom = Math.max(...boxes.map((box) => box.bottom));
  const seen =
    left >= frame.left && right <= frame.right && top >= frame.top && bottom <= frame.bottom;
  if (seen) return;
  const x =
    right - left > frame.width
      ? boxes[0].left - frame.left - margin
      : (left + right - frame.left - frame.right) / 2;
  const y =
    bottom - top > frame.height
      ? boxes[0].top - frame.top - margin
      : (top + bottom - frame.top - frame.bottom) / 2;
  graph.scrollBy({ left: x, top: y, behavior: calm.matches ? "auto" : "smooth" });
}

// What is too large to be seen whole can be focused, and so be scrolled by keys
function openToKeys() {
  for (const box of document.querySelectorAll("h1, #panels, .ruled, pre.table")) {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

function pause() {
  clearInterval(timer);
  timer = null;
  play.textContent = "Play";
  play.setAttribute("aria-pressed", "false");
}

function toggle() {
  if (timer) return pause();
  show(at === last ? 0 : at + 1);
  if (at === last) return;
  timer = setInterval(() => show(at + 1), 1600);
  play.textContent = "Pause";
  play.setAttribute("aria-pressed", "true");
}

function go(step) {
  pause();
  show(step);
}

// A box has several steps: one forward, one for each gradient that arrives. The next of them, or again the first
function visit(node) {
  const own = steps.flatMap((step, i) => (step.node === node.id ? [i] : []));
  if (own.length) go(own.find((i) => i > at) ?? own[0]);
}

const actions = {
  first: () => go(0),
  back: () => go(at - 1),
  play: toggle,
  next: () => go(at + 1),
  last: () => go(last),
};
for (const [id, action] of Object.entries(actions))
  document.getElementById(id).addEventListener("click", action);
slider.addEventListener("input", () => go(Number(slider.value)));

const keys = {
  ArrowRight: actions.next,
  ArrowLeft: actions.back,
  Home: actions.first,
  End: actions.last,
  " ": toggle,
};
addEventListener("keydown", (event) => {
  const node = event.target.closest(".node"),
    pressed = event.key === " " || event.key === "Enter";
  if (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    event.target.closest("input:not([type=range])")
  )
    return;
  if (pressed && event.target.closest("button")) return;
  const action = node && pressed ? () => visit(node) : keys[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
graph.addEventListener("click", (event) => {
  const node = event.target.closest(".node");
  if (node) visit(node);
});
