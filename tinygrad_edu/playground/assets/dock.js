// Below the network: the sizes, the right answer, the cost, the gradient by rank.

function buildDock() {
  const cards = layersFrom(1).map((l) => {
    const { weights, biases, size } = LAYERS[l];
    const number = make("b", { textContent: count(biases - weights + size) });
    const [first, second] = DOCK.sizes(l);
    return make("div", {}, number, make("span", {}, first, make("br"), second));
  });
  const plus = () => make("i", { textContent: "+" });
  $("sizes").append(...cards.flatMap((card, k) => (k ? [plus(), card] : [card])));
  NAMES.forEach((name_, k) => {
    const button = make("button", { textContent: name_, onclick: () => setLabel(k) });
    $("digits").append(button);
  });
  $("cost-formula").textContent = SQUARED ? "C = ∑ (a − y)²" : "C = −∑ y ln p";
}

function drawCost() {
  if (S.label === null || !S.has) return;
  const { parts, cost } = S.seen;
  const order = ranked(parts);
  const values = answers();
  const digits = cost < 0.1 ? 4 : 3;
  const target = (k) => (S.label === k ? 1 : 0);
  const first = SQUARED ? order.slice(0, Math.min(3, CLASSES)) : [S.label];
  const rest = order.filter((k) => !first.includes(k));
  const terms = first.map((k) => DOCK.part(k, values[k], target(k), parts[k], digits));
  if (SQUARED && rest.length) {
    const sum = rest.reduce((total, k) => total + parts[k], 0);
    terms.push(DOCK.others(rest.length, sum, digits));
  }
  const spans = [...terms, DOCK.sum(cost)].map((pieces) => {
    const span = make("span");
    putWords(span, pieces);
    return span;
  });
  const between = (k) => (k === 0 ? "" : k === spans.length - 1 ? " = " : " + ");
  $("cost-sum").replaceChildren(...spans.flatMap((span, k) => [between(k), span]));
  drawCostBar(order);
}

// The parts of the cost beside what a cost means
function drawCostBar(order) {
  const [g, width] = fit($("cost-bar"));
  const { parts, cost } = S.seen;
  const marks = Object.entries(DATA.marks).sort((p, q) => p[1] - q[1]);
  const end = Math.max(1.27 * marks.at(-1)[1], cost * 1.05);
  const at = (v) => (v / end) * (width - 4) + 2;
  const [top, tall] = [4, 18];
  g.fillStyle = C.well;
  g.fillRect(2, top, width - 4, tall);
  let sum = 0;
  for (const k of order) {
    const [from, to] = [at(sum), at(sum + parts[k])];
    g.fillStyle = C.output;
    g.fillRect(from, top, Math.max(to - from - 1, 0.5), tall);
    const fits = to - from > 8 + 9 * NAMES[k].length;
    const style = { colour: C.background, font: "600 12px", align: "center" };
    if (fits) write(g, NAMES[k], (from + to) / 2, top + 14.5, style);
    sum += parts[k];
  }
  g.lineWidth = 1.5;
  marks.forEach(([kind, v], n) => {
    const x = at(v);
    const align = n === marks.length - 1 || n === 0 ? "left" : "right";
    const what = DOCK.marks[kind];
    g.strokeStyle = C.ink;
    segment(g, [x, top - 3], [x, top + tall + 7]);
    write(g, plain(v), x, top + tall + 19, {
      colour: C.ink,
      font: "600 12px",
      align,
    });
    write(g, typeof what === "string" ? what : what(), x, top + tall + 33, { font: "12px", align });
  });
  announce($("cost-bar"), DOCK.barAria(cost));
}

// All numbers of the gradient by size; as many as are known at t

function ranking() {
  const gradient = S.before?.gradient ?? S.back?.gradient;
  if (!gradient) return null;
  const known = layersFrom(1).filter((l) => S.before || S.t >= LAST - l + 1);
  const from = known.length ? LAYERS[known[0]].weights : TOTAL;
  if (S.known?.from === from && S.known.gradient === gradient) return S.known;
  const order = [];
  for (let i = from; i < TOTAL; i++) if (gradient[i]) order.push(i);
  order.sort((p, q) => Math.abs(gradient[q]) - Math.abs(gradient[p]));
  const length = (list) => norm(list.map((i) => gradient[i]));
  const first = order.length < 1000 ? 10 : 100;
  const share = length(order.slice(0, first)) / (length(order) || 1);
  S.known = { gradient, from, order, first, share };
  return S.known;
}

const BARS = { left: 4, right: 4, middle: 28, tall: 25 };
const logShare = (rank) => Math.log10(rank) / Math.log10(TOTAL + 1);
const rankX = (rank, width) => BARS.left + logShare(rank) * (width - BARS.left - BARS.right); // where the rank, from 1, begins
const rankAt = (x, width) => {
  const share = (x - BARS.left) / (width - BARS.left - BARS.right);
  return clamp(Math.floor((TOTAL + 1) ** share), 1, TOTAL) - 1;
};

function drawGradient() {
  if (S.dock !== "learn" || !S.back) return;
  const bars = $("bars");
  const r = ranking();
  const [g, width, height] = fit(bars);
  const { order, gradient } = r;
  S.rank = clamp(S.rank, 0, Math.max(order.length - 1, 0));
  g.strokeStyle = C.control;
  g.lineWidth = 1;
  segment(g, [BARS.left, BARS.middle + 0.5], [width - BARS.right, BARS.middle + 0.5]);
  if (order.length) {
    const from = rankX(S.rank + 1, width);
    const to = Math.max(rankX(S.rank + 2, width), from + 3);
    g.fillStyle = C.ink;
    g.globalAlpha = 0.13;
    g.fillRect(from - 1, 0, to - from + 1, height - 13);
    g.globalAlpha = 1;
  }
  drawBars(g, width, order, gradient);
  drawRankAxis(g, width, height);
  const left = TOTAL - (r.from ? r.from : order.length);
  $("known").textContent = r.from ? DOCK.known(left) : DOCK.zeros(left);
  bars.setAttribute("aria-valuemax", Math.max(order.length, 1));
  bars.setAttribute("aria-valuenow", S.rank + 1);
  tellRank(r);
  bars.setAttribute("aria-valuetext", $("rank").textContent);
}

// A bar each while there is room, then in each column the largest up and down
function drawBars(g, width, order, gradient) {
  const top = order.length ? Math.abs(gradient[order[0]]) : 1;
  const { middle, tall } = BARS;
  const bar = (from, to, v) => {
    const size = Math.max((tall * Math.abs(v)) / top, 0.5);
    g.fillStyle = v > 0 ? C.positive : C.negative;
    g.fillRect(from, v > 0 ? middle - size : middle + 1, to - from, size);
  };
  for (let k = 0; k < order.length;) {
    const [from, to] = [rankX(k + 1, width), rankX(k + 2, width)];
    if (to - from >= 1.6) {
      bar(from + 0.4, to - 0.4, -gradient[order[k]]);
      k++;
      continue;
    }
    const column = Math.floor(from);
    let [most, least] = [0, 0];
    for (; k < order.length && Math.floor(rankX(k + 1, width)) === column; k++) {
      most = Math.max(most, -gradient[order[k]]);
      least = Math.min(least, -gradient[order[k]]);
    }
    if (most) bar(column, column + 1, most);
    if (least) bar(column, column + 1, least);
  }
}

function drawRankAxis(g, width, height) {
  g.strokeStyle = C.control;
  for (const rank of [1, 10, 100, 1000, TOTAL]) {
    const [first, last] = [rank === 1, rank === TOTAL];
    if (!last && rank * 3 > TOTAL) continue;
    const x = first ? BARS.left : last ? width - BARS.right : rankX(rank, width);
    write(g, count(rank), x, height - 1, { align: first ? "left" : last ? "right" : "center" });
    if (first || last) continue;
    g.globalAlpha = 0.5;
    segment(g, [x, 2], [x, height - 13]);
    g.globalAlpha = 1;
  }
}

function tellRank({ order, gradient, from, first, share }) {
  const element = $("rank");
  if (!order.length) {
    putWords(element, DOCK.unknown);
    return;
  }
  const index = order[S.rank];
  const nth = Math.min(10 * first, order.length);
  const ratio = Math.abs(gradient[index] / (gradient[order[nth - 1]] || 1));
  const counts = from ? "" : DOCK.counts(ratio, nth, first, share);
  putWords(element, [DOCK.rank(S.rank, placeOf(index), -gradient[index]), "\n", counts]);
}

function showRank(k, { paintNow = true, soft = false } = {}) {
  const r = ranking();
  if (!r?.order.length) return;
  S.rank = clamp(k, 0, r.order.length - 1);
  const place = placeOf(r.order[S.rank]);
  const own = { l: place.l, j: place.j };
  Object.assign(S, { hover: null, weight: place, soft: soft ? own : null, pin: soft ? null : own });
  if (paintNow) refresh();
}
