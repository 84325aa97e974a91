// The edges: where things are, read from the page, and the lines between them.

const G = { discs: [], tiles: [], meters: [], features: [] }; // in CSS pixels, within <main>

function measure() {
  const origin = $("one").getBoundingClientRect();
  const box = (e) => {
    const { left, top, width, height } = e.getBoundingClientRect();
    return { x: left - origin.left, y: top - origin.top, w: width, h: height };
  };
  G.pad = box($("pad"));
  G.vertical = narrow.matches;
  G.discs = layersFrom(0).map(() => []);
  G.tiles = layersFrom(0).map(() => []);
  G.features = all("#net .feature").map(box);
  for (const e of all("#net .neuron")) {
    const { x, y, w, h } = box(e.querySelector(".disc"));
    G.discs[e.l][e.j] = { x: x + w / 2, y: y + h / 2, r: w / 2 };
    if (isTiled(e.l)) G.tiles[e.l][e.j] = box(e.querySelector("canvas"));
  }
  G.meters = all(".meter").map(box);
  drawTrack();
}

// Where an edge begins (`out`) or ends at a neuron, or at a pixel
function port(l, i, out) {
  if (l === 0) return POINTS ? featureAt(i) : pixelAt(i);
  const { x, y, r } = G.discs[l][i];
  const beside = G.tiles[l][i];
  if (G.vertical) {
    if (out) return [x, y + r + 1];
    return [x, beside ? beside.y - 1 : y - r - 1];
  }
  if (out) return [x + r + 1, y];
  return [beside ? beside.x - 1 : x - r - 1, y];
}

function featureAt(i) {
  const { x, y, w, h } = G.features[i];
  return G.vertical ? [x + w / 2, y + h + 1] : [x + w + 1, y + h / 2];
}

function pixelAt(i) {
  const unit = G.pad.w / SIDE;
  const map = S.source === "drawn" ? D.map : null; // while the ink is not yet where it is seen
  const at = (v, offset) => clamp(map ? (v + 0.5 - offset) / map.scale : v + 0.5, 0.3, SIDE - 0.3);
  const [column, row] = [i % SIDE, Math.floor(i / SIDE)];
  return [G.pad.x + at(column, map?.x) * unit, G.pad.y + at(row, map?.y) * unit];
}

function curve(p, q, pull = 0.45) {
  return G.vertical
    ? [p, [p[0], mix(p[1], q[1], pull)], [q[0], mix(q[1], p[1], pull)], q]
    : [p, [mix(p[0], q[0], pull), p[1]], [mix(q[0], p[0], pull), q[1]], q];
}

// From a pixel straight to the rim of the square, and only then to the neuron
function route({ l, j, i }) {
  const [p, q] = [port(l - 1, i, true), port(l, j, false)];
  if (l > 1 || POINTS) return [curve(p, q)];
  const rim = G.vertical ? [p[0], G.pad.y + G.pad.h + 1] : [G.pad.x + G.pad.w + 1, p[1]];
  return [curve(p, rim), curve(rim, q, 0.55)];
}

// The first part of a Bézier curve
function partOf(piece, share) {
  const [p0, p1, p2, p3] = piece;
  const between = (p, q) => [mix(p[0], q[0], share), mix(p[1], q[1], share)];
  const [a, b, c] = [between(p0, p1), between(p1, p2), between(p2, p3)];
  const [d, e] = [between(a, b), between(b, c)];
  return [p0, a, d, between(d, e)];
}

// Of a route in pieces that much; of two, the one within the square is the shorter
function grown(pieces, share, backward) {
  if (share >= 1) return pieces;
  const parts = pieces.length === 1 ? [1] : backward ? [0.65, 0.35] : [0.35, 0.65];
  let left = share;
  return pieces.flatMap((piece, k) => {
    const own = clamp(left / parts[k]);
    left -= parts[k];
    if (own <= 0) return [];
    return [own < 1 ? partOf(piece, own) : piece];
  });
}

const inPad = (piece) => {
  const [from, to] = [piece[0], piece[3]];
  return G.vertical
    ? Math.max(from[1], to[1]) <= G.pad.y + G.pad.h + 2
    : Math.max(from[0], to[0]) <= G.pad.x + G.pad.w + 2;
};

const decades = (v, below, above) =>
  clamp((Math.log10(Math.abs(v) + 1e-12) + below) / (below + above));
const loud = (v) => decades(v, 3, 0); // the nudge of a weight, on one scale from 0.001 to 1
const pull = (v) => decades(v, 2, 0.5); // that of a neuron, from 0.01 to 3

function trace(g, piece) {
  const [from, ...rest] = piece;
  g.beginPath();
  g.moveTo(...from);
  g.bezierCurveTo(...rest.flat());
  g.stroke();
}

// One edge, grown by a share from its source or, backward, from its target
function strand(g, edge, { top, share, backward, alpha, strong }) {
  if (share <= 0) return;
  let pieces = route(edge);
  if (backward) pieces = pieces.map((piece) => [...piece].reverse()).reverse();
  pieces = grown(pieces, share, backward);
  const first = edge.l === 1 && !POINTS;
  const size = backward ? loud(edge.v) : Math.sqrt(Math.abs(edge.v) / Math.max(top, 0.3));
  const least = strong ? (backward ? 0.15 : 0.35) : backward ? 0.03 : 0.1;
  const visible = least + (strong ? 0.65 : 0.8) * size;
  const full = clamp(alpha * visible * (first && !strong ? 0.55 : 1));
  g.lineWidth = (first ? 0.55 : 1) * (0.5 + 3.2 * size * size);
  g.strokeStyle = g.fillStyle = edge.v < 0 ? C.negative : C.positive;
  g.setLineDash(edge.v < 0 ? [5, 3.5] : []);
  for (const piece of pieces) {
    g.globalAlpha = first && inPad(piece) ? full * 0.45 : full;
    trace(g, piece);
  }
  if (share < 1) {
    g.globalAlpha = 1;
    disc(g, ...pieces.at(-1)[3], 1.2 + 1.3 * size);
  }
  if (first && (share === 1 || !backward)) {
    g.globalAlpha = clamp(full * 1.5);
    disc(g, ...pixelAt(edge.i), 1.4 + 2.2 * size);
  }
}

// An arrow beside a neuron: which way the cost wants it, and how much
function drawWish(g, x, y, v, share, room = 18) {
  if (!share || pull(v) < 0.02) return;
  const height = (3 + (room - 3) * pull(v)) * share;
  const sign = v > 0 ? -1 : 1;
  const tip = y + (sign * height) / 2;
  const neck = tip - sign * Math.min(5.5, height * 0.6);
  const end = y - (sign * height) / 2;
  g.globalAlpha = 1;
  g.setLineDash([]);
  g.fillStyle = v > 0 ? C.positive : C.negative;
  g.strokeStyle = C.background;
  g.lineWidth = 2.5;
  g.beginPath();
  g.moveTo(x, tip);
  for (const [px, py] of [
    [x + 4.2, neck],
    [x + 1.3, neck],
    [x + 1.3, end],
    [x - 1.3, end],
    [x - 1.3, neck],
    [x - 4.2, neck],
  ]) {
    g.lineTo(px, py);
  }
  g.closePath();
  g.stroke();
  g.fill();
}

// An arrow below an output's bar: from what it is to what it should be
function drawWayToGo(g, k, share) {
  const meter = G.meters[k];
  const [is, should] = [answers()[k], S.label === k ? 1 : 0];
  if (Math.abs(should - is) < 0.012) return;
  const at = (v) =>
    G.vertical
      ? [meter.x + meter.w + 6, meter.y + meter.h * (1 - v)]
      : [meter.x + meter.w * v, meter.y + meter.h + 7];
  const [x0, y0] = at(is);
  const [x1, y1] = at(mix(is, should, share));
  const angle = Math.atan2(y1 - y0, x1 - x0);
  const tip = Math.min(7, Math.hypot(x1 - x0, y1 - y0));
  const behind = (turn, length) => [
    x1 - length * Math.cos(angle + turn),
    y1 - length * Math.sin(angle + turn),
  ];
  g.globalAlpha = 1;
  g.setLineDash([]);
  g.strokeStyle = g.fillStyle = should > is ? C.positive : C.negative;
  g.lineWidth = 2.4;
  segment(g, [x0, y0], behind(0, tip * 0.8));
  g.beginPath();
  g.moveTo(x1, y1);
  g.lineTo(...behind(-0.55, tip));
  g.lineTo(...behind(0.55, tip));
  g.fill();
}

function drawWires() {
  const [g] = fit($("wires"));
  const shown = reveal();
  const chosen = marked();
  S.drawn = []; // edges that can be pointed at
  for (const l of layersFrom(1)) {
    const some = (list, share, backward, alpha) =>
      drawEdges(g, list, { share, backward, alpha: alpha * (chosen ? 0.13 : 1) });
    if (!S.has) some(S.rest[l], 1, false, 0.55);
    some(S.forward[l], shown.edges[l], false, 1 - 0.93 * shown.nudges[l]);
    some(S.backward[l], shown.nudges[l], true, 1);
  }
  if (chosen) drawEdgesOf(g, chosen, shown);
  if (S.weight?.i >= 0 && isShown(S.weight)) highlight(g, S.weight, chosen);
  if (S.back) drawWishes(g, shown);
  g.globalAlpha = 1;
  g.setLineDash([]);
}

function drawEdges(g, list, how) {
  if (!list.length) return;
  const top = Math.abs(list[0].v);
  for (const edge of [...list].reverse()) {
    strand(g, edge, { ...how, top, strong: false });
    if (how.share * how.alpha > 0.5) S.drawn.push(edge);
  }
}

// All that goes into one neuron and out of it, the 36 strongest of each
function drawEdgesOf(g, { l, j }, shown) {
  const back = S.t > COST && S.back;
  const value = (place) => {
    const index = indexOf(place);
    if (back) return -S.back.gradient[index];
    return P[index] * (S.has ? S.seen.a[place.l - 1][place.i] : 1);
  };
  const sources = l > 1 ? DRAWN[l - 1] : S.has ? [...Array(PIXELS).keys()] : [];
  const into = sources.map((i) => ({ l, j, i }));
  const onward = l < DEPTH ? DRAWN[l + 1].map((k) => ({ l: l + 1, j: k, i: j })) : [];
  for (const [places, at, alpha] of [
    [onward, l + 1, 0.4],
    [into, l, 1],
  ]) {
    const edges = places.map((place) => ({ ...place, v: value(place) })).filter((e) => e.v);
    const kept = edges.sort(byStrength).slice(0, 36);
    const share = back ? shown.nudges[at] : S.has ? shown.edges[at] : 1;
    for (const edge of [...kept].reverse()) {
      strand(g, edge, { top: Math.abs(kept[0].v), share, backward: back, alpha, strong: true });
      S.drawn.push(edge);
    }
  }
}

const isShown = ({ l, j, i }) => Boolean(G.discs[l][j]) && (l === 1 || Boolean(G.discs[l - 1][i]));

function highlight(g, weight, chosen) {
  if (chosen && (weight.l !== chosen.l || weight.j !== chosen.j)) return;
  g.setLineDash([]);
  g.globalAlpha = 0.22;
  g.strokeStyle = C.ink;
  g.lineWidth = 8;
  for (const piece of route(weight)) trace(g, piece);
}

function drawWishes(g, shown) {
  for (const l of layersFrom(1).slice(0, -1)) {
    G.discs[l].forEach(({ x, y, r }, j) => {
      const v = -S.back.da[l][j];
      if (G.vertical) drawWish(g, x, y + r + 11, v, shown.wishes[l], 15);
      else drawWish(g, x + r + 9, y, v, shown.wishes[l]);
    });
  }
  if (shown.wishes[DEPTH]) G.meters.forEach((_, k) => drawWayToGo(g, k, shown.wishes[DEPTH]));
}

// The edge under the pointer
function edgeNear(event) {
  const origin = $("one").getBoundingClientRect();
  const [x, y] = [event.clientX - origin.left, event.clientY - origin.top];
  let [found, least] = [null, 7];
  for (const edge of S.drawn ?? []) {
    const piece = route(edge).at(-1);
    const xs = [piece[0][0], piece[3][0]];
    if (x < Math.min(...xs) - 5 || x > Math.max(...xs) + 5) continue;
    for (let share = 0; share <= 1; share += 0.05) {
      const [px, py] = partOf(piece, share)[3];
      const distance = Math.hypot(px - x, py - y);
      if (distance < least) [found, least] = [edge, distance];
    }
  }
  return found;
}
