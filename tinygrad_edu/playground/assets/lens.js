// The lens: one neuron with its numbers, or the program that the engine recorded.

function drawLens() {
  const chosen = selected();
  $("legend").hidden = Boolean(chosen);
  $("about").hidden = !chosen;
  if (!chosen) {
    const example = DRAWN[1][Math.min(3, SIZES[1] - 1)];
    if (POINTS) fieldTile($("legend-tile"), 1, example);
    else weightTile($("legend-tile"), P, LAYERS[1].weights + PIXELS * example);
    return;
  }
  const { l, j } = chosen;
  const back = Boolean(S.back) && S.t > COST && reveal().wishes[l] > 0;
  $("about").dataset.way = back ? "backward" : "forward";
  $("who").textContent = capital(neuronName(l, j));
  const kept = S.weight && S.weight.l === l && S.weight.j === j ? S.weight : null;
  const terms = termsOf(chosen, back, kept);
  drawLensTiles(chosen, back);
  drawTerms(chosen, terms, back, kept);
  if (back) {
    drawWhy(chosen);
    drawChain(chosen, kept ?? { l, j, i: terms.shown.length ? terms.shown[0].i : -1 });
  } else {
    drawActivation(chosen);
  }
}

// What is added up: weight × activation, or backward the nudge of each weight
function termsOf({ l, j }, back, kept) {
  const before = S.seen.a[l - 1];
  const first = indexOf({ l, j, i: 0 });
  const rate = (i) => (back ? -S.back.dz[l][j] : P[first + i]);
  const own = [...Array(SIZES[l - 1]).keys()].map((i) => ({
    i,
    v: rate(i) * before[i],
    calc: `${two(before[i])} × ${factor(rate(i))}`,
  }));
  const list = own.filter((term) => term.v || l > 1).sort(byStrength);
  const tiled = l === 1 && !POINTS;
  const rows = tiled ? (back ? 3 : 5) : back ? 6 : POINTS ? 10 : 16;
  const shown = list.slice(0, rows);
  if (kept?.i >= 0 && !shown.some((term) => term.i === kept.i)) {
    const term = list.find(({ i }) => i === kept.i);
    if (term) shown[Math.max(shown.length - 1, 0)] = term;
  }
  const rest = list.filter((term) => !shown.includes(term));
  return { shown, rest, sum: rest.reduce((sum, term) => sum + term.v, 0) };
}

function drawLensTiles({ l, j }, back) {
  $("lens-tiles").hidden = l !== 1 && !POINTS;
  if (POINTS) drawLensField(l, j);
  if (l !== 1 || POINTS) return;
  const first = indexOf({ l, j, i: 0 });
  const x = S.seen.a[0];
  const dz = back ? S.back.dz[l][j] : 0;
  const product = Float64Array.from(x, (v, i) => (back ? -dz : P[first + i]) * v);
  const most = largest(P, first, first + PIXELS);
  bigTile($("tile1"), P, most, first);
  bigTile($("tile2"), product, largest(product), 0);
  announce($("tile1"), LENS.weightsAria);
  announce($("tile2"), back ? LENS.nudgesAria : LENS.pushesAria);
  $("cap1").textContent = LENS.weights(most);
  const sum = S.seen.z[l][j] - P[indexOf({ l, j, i: -1 })];
  $("cap2").textContent = back ? LENS.nudges(-dz) : S.has ? LENS.pushes(sum) : LENS.nothing;
}

// What the neuron answers all over, and the point that is looked at
function drawLensField(l, j) {
  fieldTile(padBuffer, l, j);
  const [g, width] = fit($("tile1"));
  g.imageSmoothingEnabled = true;
  g.drawImage(padBuffer, 0, 0, width, width);
  if (S.has) drawLookedAt(g, width);
  announce($("tile1"), LENS.fieldAria);
  $("cap1").textContent = LENS.field(l, S.has ? valueOf(l, j) : null);
}

// A large tile, with a sign where the colour is strongest
function bigTile(canvas, values, most, offset) {
  weightTile(padBuffer, values, offset, most);
  const [g, width, height] = fit(canvas);
  const unit = width / SIDE;
  g.imageSmoothingEnabled = false;
  g.drawImage(padBuffer, 0, 0, width, height);
  g.lineWidth = 3;
  g.strokeStyle = C.background;
  for (const { x, y, sign } of signsOn(values, most, offset)) {
    const [px, py] = [(x + 0.5) * unit, (y + 0.5) * unit + 4.5];
    const mark = sign > 0 ? "+" : "−";
    g.font = `bold 13px ${SANS}`;
    g.textAlign = "center";
    g.strokeText(mark, px, py);
    write(g, mark, px, py, { colour: C.ink, font: "bold 13px", align: "center" });
  }
  if (S.weight?.l === 1 && S.weight.i >= 0) {
    g.lineWidth = 1.5;
    g.strokeStyle = C.ink;
    outline(g, S.weight.i, unit);
  }
}

function signsOn(values, most, offset) {
  const strength = (i) => Math.abs(values[offset + i]);
  const candidates = [...Array(PIXELS).keys()].filter((i) => strength(i) > 0.3 * most);
  const placed = [];
  for (const i of candidates.sort((p, q) => strength(q) - strength(p))) {
    const mark = { x: i % SIDE, y: Math.floor(i / SIDE), sign: Math.sign(values[offset + i]) };
    const near = (other) =>
      Math.hypot(other.x - mark.x, other.y - mark.y) < (other.sign === mark.sign ? 8 : 4);
    const same = placed.filter((other) => other.sign === mark.sign);
    if (placed.length < 6 && same.length < 3 && !placed.some(near)) placed.push(mark);
  }
  return placed;
}

function drawTerms({ l, j }, { shown, rest, sum }, back, kept) {
  $("thead").textContent = LENS.head(l, back);
  const rows = shown.map((term) => ({ ...term, name: sourceName(l, term.i) }));
  if (!back && rest.length) rows.push({ name: LENS.more(rest.length), calc: "", v: sum });
  const dz = back ? -S.back.dz[l][j] : 0;
  const bias = back ? dz : P[indexOf({ l, j, i: -1 })];
  rows.push({ name: LENS.bias, calc: back ? `1 × ${short(dz)}` : "", v: bias, i: -1 });
  const scale = Math.max(...shown.map((term) => Math.abs(term.v)), 1e-30);
  all(".term").forEach((e, k) => {
    e.parentNode.hidden = k >= rows.length;
    if (k < rows.length) drawTerm(e, rows[k], scale, { l, j }, kept);
  });
  $("total").hidden = back;
  const [label, value] = $("total").children;
  label.textContent = LENS.total;
  value.textContent = signed(S.seen.z[l][j], 3);
}

function drawTerm(e, { i, v, calc, name: source }, scale, { l, j }, kept) {
  const plain = i === undefined;
  e.toggleAttribute("data-plain", plain);
  e.disabled = plain;
  e.weight = plain ? null : { l, j, i };
  e.setAttribute("aria-pressed", Boolean(!plain && kept?.i === i));
  const [from, product, value, bar] = e.children;
  from.textContent = source;
  product.textContent = calc;
  value.textContent = short(v);
  value.className = `val ${tone(v)}`;
  const share = Math.min((50 * Math.abs(v)) / scale, 50);
  const { style } = bar.firstElementChild;
  bar.classList.toggle("cut", Math.abs(v) > scale * 1.001);
  style.width = `${share}%`;
  style.left = `${v < 0 ? 50 - share : 50}%`;
  style.background = v < 0 ? C.negative : C.positive;
}

// Forward: the curve of the activation, and where this neuron is on it

function drawActivation({ l, j }) {
  const { kind } = LAYERS[l];
  const z = S.seen.z[l][j];
  $("f-squash").hidden = !kind && !(l === DEPTH && !SQUARED);
  $("curve").hidden = !kind;
  $("share").hidden = Boolean(kind);
  $("formula").textContent = kind ? `a = ${symbol(kind)}(z)` : "softmax";
  if (kind) drawCurve(l, z, S.seen.a[l][j]);
  else putWords($("share"), LENS.share(answers()[j]));
}

function drawCurve(l, z, a) {
  const [g, width, height] = fit($("curve"));
  const [left, right, top, low] = [8, width - 46, 10, height - 16];
  const { a: values, slope } = bent(l, z);
  const curved = values.slice(0, 161);
  const ceiling = Math.max(1, ...(Math.abs(z) > 8 ? curved : [...curved, a]));
  const floor = Math.min(0, ...curved);
  const X_ = (v) => mix(left, right, (clamp(v, -8, 8) + 8) / 16);
  const Y = (v) => mix(low, top, (clamp(v, floor, ceiling) - floor) / (ceiling - floor));
  g.strokeStyle = C.hairline;
  g.lineWidth = 1;
  for (const v of [floor, ceiling]) segment(g, [left, Y(v)], [right, Y(v)]);
  segment(g, [X_(0), top], [X_(0), low]);
  for (const v of [-8, -4, 0, 4, 8])
    write(g, minus(String(v)), X_(v), height - 3, { align: "center" });
  for (const v of [floor, ceiling]) write(g, plain(v), right + 4, Y(v) + 4);
  g.strokeStyle = C.operation;
  g.lineWidth = 2.2;
  segment(g, ...[...curved].map((v, k) => [X_(k / 10 - 8), Y(v)]));
  const [x, y] = [X_(z), Y(a)];
  g.setLineDash([3, 3]);
  g.strokeStyle = C.ink;
  g.lineWidth = 1;
  segment(g, [x, low], [x, y], [right, y]);
  g.setLineDash([]);
  g.fillStyle = isUnit(1) ? inked(a) : C.background;
  g.lineWidth = 2;
  disc(g, x, y, 6);
  g.stroke();
  const style = { colour: C.ink, font: "600 12.5px" };
  write(g, two(a), right + 14, clamp(y + 4, 14, low - 2), style);
  if (Math.abs(z) > 5 && slope[161] < 0.05) {
    const words = LENS.flat(slope[161]);
    if (z > 0) write(g, words, left + 4, top + 14);
    else write(g, words, right - 4, low - 8, { align: "right" });
  }
  announce($("curve"), LENS.curve(LAYERS[l].kind, z, a));
}

// Backward: where the wish comes from, and the chain rule for one weight

function drawWhy({ l, j }) {
  const g = S.back.da[l][j];
  if (l === DEPTH) {
    putWords($("why"), LENS.wantsOutput(answers()[j], S.label === j ? 1 : 0, g));
    return;
  }
  const n = SIZES[l + 1];
  const wishes = Array.from({ length: n }, (_, k) => [
    P[indexOf({ l: l + 1, j: k, i: j })],
    S.back.dz[l + 1][k],
  ]);
  wishes.sort((p, q) => Math.abs(q[0] * q[1]) - Math.abs(p[0] * p[1]));
  putWords($("why"), LENS.wantsHidden(n, wishes.slice(0, 2), g));
}

function drawChain({ l, j }, weight) {
  const index = indexOf(weight);
  const bias = weight.i < 0;
  const [now, g, rate] = [P[index], S.back.gradient[index], stepRate()];
  const source = bias ? 1 : S.seen.a[l - 1][weight.i];
  $("which").replaceChildren(
    bias ? LENS.whichBias(now) : LENS.whichWeight(l, weight.i, now),
    make("br"),
    make("code", { textContent: LENS.address(l, j, weight.i) }),
  );
  const slope = slopeAt(l, S.seen.z[l][j]);
  const kind = symbol(LAYERS[l].kind);
  const cards = [
    [LENS.upstream, kind ? "∂C/∂a" : "∂C/∂z", S.back.da[l][j]],
    ...(kind ? [[LENS.local, `∂a/∂z = ${kind}′(z)`, slope]] : []),
    [LENS.local, bias ? "∂z/∂b = 1" : "∂z/∂w = a", source],
  ].map(([label, formula, v]) =>
    make(
      "div",
      {},
      make("small", {}, label, make("br"), formula),
      make("b", { textContent: num(v, 3) }),
    ),
  );
  const times = () => make("span", { textContent: "×" });
  const result = make(
    "div",
    { className: "result" },
    make("span", { textContent: `= ∂C/∂${bias ? "b" : "w"}` }),
    make("b", { textContent: num(g, 4) }),
    make("span", { className: tone(-g), textContent: LENS.nudge(g) }),
  );
  const row = cards.flatMap((card, k) => (k ? [times(), card] : [card]));
  $("cards").replaceChildren(...row, result);
  const tried = tryOut(index);
  const agrees = Math.abs(tried - g) <= 1e-3 * Math.abs(g) + 1e-9;
  $("check").replaceChildren(
    LENS.tried(tried, agrees),
    make("br"),
    LENS.moves(rate, now, now - rate * g),
  );
}

// (C(w + ε) − C(w − ε)) / 2ε, by running the program twice
function tryOut(index) {
  const [now, small] = [P[index], 1e-3];
  const costAt = (v) => {
    P[index] = v;
    return lookAt(S.x, S.label).cost;
  };
  const slope = (costAt(now + small) - costAt(now - small)) / (2 * small);
  P[index] = now;
  return slope;
}

function choose(l, j, { pin = false, weight = null } = {}) {
  const same = S.pin && S.pin.l === l && S.pin.j === j;
  if (pin) {
    S.pin = same && !weight ? null : { l, j };
    S.hover = null;
  } else {
    S.hover = { l, j };
  }
  Object.assign(S, { weight, soft: null });
  paint();
  drawLens();
  drawPad();
  noteAddress();
}

// The program: the lines that run now are lit

function buildProgram() {
  const rows = S.script ? DATA.javascript : DATA.numpy.map(([stop, words]) => [stop, stop, words]);
  const items = rows.map(([from, to, words], k) => {
    const button = make("button", { textContent: words });
    button.onclick = () => {
      if (from > lastStop() && from <= LAST) whisper(WHISPERS.chooseFirst);
      else jumpTo(Math.min(from, LAST));
    };
    const item = make("li", {}, button);
    if (!k || from !== rows[k - 1][0]) item.dataset.label = from > LAST ? UPDATE : stopName(from);
    item.classList.toggle("bwd", from > COST);
    return Object.assign(item, { from, to });
  });
  $("program").replaceChildren(...items);
  $("program").classList.toggle("script", S.script);
}

let firstLit = null; // of the lines
function drawProgram() {
  if (!S.program) return;
  const stepped = S.before && S.t >= COST - 0.01 && S.t < COST + 0.5;
  const at = S.t <= COST ? Math.round(S.t) : Math.ceil(S.t - 0.01);
  let first = null;
  for (const item of $("program").children) {
    const now = S.has && (stepped ? item.to > LAST : item.from <= at && at <= item.to);
    item.firstChild.classList.toggle("done", S.has && item.from <= S.t + 0.01);
    item.firstChild.classList.toggle("now", now);
    if (now) first ??= item;
  }
  if (first !== firstLit) scrollWithin($("lens"), first);
  firstLit = first;
}

function scrollWithin(box, element) {
  if (!element || box.scrollHeight <= box.clientHeight) return;
  const [outer, inner] = [box.getBoundingClientRect(), element.getBoundingClientRect()];
  const hidden = inner.top < outer.top + 40 || inner.bottom > outer.bottom - 40;
  if (hidden) box.scrollTop += inner.top - outer.top - outer.height / 3;
}

function lensTab(program) {
  S.program = program;
  $("lens").dataset.tab = program ? "program" : "numbers";
  showTab("tab-numbers", !program);
  showTab("tab-program", program);
  drawProgram();
  drawLens();
  noteAddress();
}

function showTab(id, on) {
  $(id).setAttribute("aria-selected", on);
  $(id).tabIndex = on ? 0 : -1;
}

function wordsOf(script) {
  S.script = script;
  $("in-numpy").setAttribute("aria-pressed", !script);
  $("in-javascript").setAttribute("aria-pressed", script);
  buildProgram();
  firstLit = null;
  drawProgram();
}
