// The line above the network: one number decides what of both passes has happened.

const PACE = { forward: 4.2, backward: 1.05 }; // stops a second
let lane = null; // the path that the handle moves along
let frame = 0;
let lastFrame = 0;

function go(t, { jump = false } = {}) {
  S.goal = clamp(t, 0, lastStop());
  if (calm.matches || jump) {
    S.t = S.goal;
    refresh();
    arrived();
  } else if (!frame) {
    lastFrame = performance.now();
    frame = requestAnimationFrame(tick);
  }
}

function tick(now) {
  const pace = Math.min(S.t, S.goal) < COST ? PACE.forward : PACE.backward;
  const way = clamp((now - lastFrame) / 1000, 0, 0.1) * pace;
  lastFrame = now;
  const before = S.t;
  if (Math.abs(S.goal - S.t) <= way) S.t = S.goal;
  else S.t += Math.sign(S.goal - S.t) * way;
  paint();
  const stop = Math.floor(Math.max(S.t, before));
  if (Math.floor(before) !== Math.floor(S.t) && S.t !== S.goal && stop > COST) {
    tell(stop);
    S.known = null;
    drawGradient();
  }
  if (S.t !== S.goal) {
    frame = requestAnimationFrame(tick);
    return;
  }
  frame = 0;
  S.playing = false;
  refresh();
  arrived();
}

function arrived() {
  S.known = null;
  if (S.t === LAST && !S.pin && !S.weight) showRank(0, { paintNow: false, soft: true });
  if (S.t > COST) S.dock = "learn";
  refresh();
  tell();
}

function pause() {
  S.goal = clamp(Math.ceil(S.t), 0, LAST);
  S.playing = false;
  nextButton();
}

function runBackward() {
  if (S.label === null) return;
  S.before = null;
  S.dock = document.body.dataset.dock = "learn";
  S.t = Math.max(S.t, COST);
  S.playing = !calm.matches;
  tell(Math.max(COST + 1, Math.ceil(S.t + 0.01)));
  go(calm.matches ? Math.min(LAST, Math.floor(S.t) + 1) : LAST);
  nextButton();
}

// To a stop, by a key, by a line of the program, or from the address
function jumpTo(stop, jump = true) {
  S.playing = false;
  const to = clamp(stop, 0, lastStop());
  if (to > COST) S.dock = "learn";
  if (to !== COST) S.before = null;
  S.known = null;
  go(to, { jump });
}

const SVG = "http://www.w3.org/2000/svg";
function shape(parent, name, attributes, words = "") {
  const element = document.createElementNS(SVG, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  element.textContent = words;
  parent.append(element);
  return element;
}

function drawTrack() {
  const box = $("track").getBoundingClientRect();
  const svg = $("track").firstElementChild;
  if (!box.width) return;
  const top = 22;
  const bottom = 40;
  const xs = stopsAcross(box);
  svg.textContent = "";
  svg.setAttribute("viewBox", `0 0 ${box.width} 58`);
  const radius = (bottom - top) / 2;
  const turn = `A${radius} ${radius} 0 0 1 ${xs[COST]} ${bottom}`;
  const d = [`M${xs[0]} ${top}H${xs[COST]}`, `M${xs[COST]} ${top}${turn}H${xs[0]}`];
  shape(svg, "path", { class: "lane fwd", d: d[0] });
  shape(svg, "path", { class: "lane bwd", d: d[1] });
  lane = shape(svg, "path", { d: `${d[0]}${turn}H${xs[0]}`, fill: "none" });
  const half = xs[COST] - xs[0];
  const bend = Math.PI * radius;
  const back = layersFrom(0).reverse();
  lane.stops = [...xs.map((x) => x - xs[0]), ...back.map((l) => half + bend + xs[COST] - xs[l])];
  for (let k = 0; k <= LAST; k++) drawStop(svg, k, k > COST ? xs[LAST - k] : xs[k], top, bottom);
  const ends = [mix(xs[0], xs[1], 0.55), mix(xs[DEPTH - 1], xs[DEPTH], 0.5)];
  for (const x of DEPTH > 1 ? ends : ends.slice(0, 1)) {
    shape(svg, "path", { class: "lane fwd", d: `M${x - 3} ${top - 3.5}l4 3.5l-4 3.5` });
    shape(svg, "path", { class: "lane bwd", d: `M${x + 3} ${bottom - 3.5}l-4 3.5l4 3.5` });
  }
  shape(svg, "circle", { class: "handle", r: 7 });
  moveHandle();
}

// Each stop lies above the column that it is about
function stopsAcross(box) {
  if (G.vertical) {
    const space = (box.width - 52) / COST;
    return Array.from({ length: COST + 1 }, (_, k) => 24 + space * k);
  }
  const left = box.left - $("one").getBoundingClientRect().left;
  const middles = layersFrom(1).map((l) => G.discs[l][DRAWN[l][0]].x - left);
  return [8, ...middles, box.width - 34];
}

function drawStop(svg, k, x, top, bottom) {
  const back = k > COST;
  const end = k === 0 || k === LAST;
  const at = { cx: x, cy: back ? bottom : top, r: 4.5 };
  const circle = shape(svg, "circle", { class: `stop ${back ? "b" : "f"}`, ...at });
  const place = { x: end ? 0 : x, y: back ? 57 : 11, "text-anchor": end ? "start" : "middle" };
  const words = shape(svg, "text", place, stopName(k));
  circle.stop = words.stop = k;
}

function moveHandle() {
  if (!lane) return;
  const k = Math.floor(S.t);
  const { stops } = lane;
  const along = k >= LAST ? stops[LAST] : mix(stops[k], stops[k + 1], S.t - k);
  const p = lane.getPointAtLength(along);
  const svg = lane.parentNode;
  const at = Math.round(S.t);
  const handle = svg.querySelector(".handle");
  handle.setAttribute("cx", p.x);
  handle.setAttribute("cy", p.y);
  for (const e of all(".stop, text", svg)) {
    e.classList.toggle("on", e.stop <= S.t + 0.01 && S.has);
    e.classList.toggle("at", e.stop === at);
    e.classList.toggle("off", e.stop > lastStop());
  }
  for (const e of all(".lane", svg)) {
    e.classList.toggle("faint", e.classList.contains("bwd") ? S.t <= COST : !S.has);
  }
  const track = $("track");
  track.setAttribute("aria-valuenow", at);
  track.setAttribute("aria-valuetext", stopSpoken(at));
  track.setAttribute("aria-valuemax", lastStop());
}

function nearestOnTrack(event) {
  const box = $("track").getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const { stops } = lane;
  let [found, least] = [0, Infinity];
  for (let along = 0; along <= stops[LAST]; along += 3) {
    const p = lane.getPointAtLength(along);
    const distance = Math.abs(p.x - x) + 2.5 * Math.abs(p.y - y);
    if (distance < least) [found, least] = [along, distance];
  }
  let k = 0;
  while (k < LAST - 1 && stops[k + 1] < found) k++;
  return Math.min(lastStop(), k + (found - stops[k]) / (stops[k + 1] - stops[k]));
}

// How much of each layer's edges, activations, wishes and nudges is there at t
function reveal() {
  const { t } = S;
  const layers = layersFrom(0);
  const wishes = (l) => {
    const stop = LAST - l;
    if (l === 0) return 0;
    return l === DEPTH ? clamp(t - COST) : clamp((t - stop + 0.4) / 0.4);
  };
  return {
    edges: layers.map((l) => clamp(t - l + 1)),
    active: layers.map((l) => (l ? clamp((t - l + 0.45) / 0.45) : 1)),
    cost: clamp(t - DEPTH),
    nudges: layers.map((l) => (l ? clamp(t - (LAST - l)) : 0)),
    wishes: layers.map(wishes),
  };
}
