// A step downhill, ten of them, on one image or on all; and what it does to the others.

const MOST_UNDONE = 60;

function takeSteps(many, all_ = false) {
  if (S.stepping || S.label === null || !S.has) return;
  const kept = { weights: Float64Array.from(P), trace: [...S.trace] };
  S.undo.push({ ...kept, origin: S.origin, stepped: S.stepped });
  if (S.undo.length > MOST_UNDONE) S.undo.shift();
  if (!S.trace.length) S.trace.push({ cost: costNow(), right: S.right });
  const before = { answers: [...answers()], cost: costNow(), right: S.right, list: [...S.reads] };
  Object.assign(before, { many, all: all_, gradient: null });
  Object.assign(S, { stepping: true, dock: "learn", playing: false, before: null });
  takeOne(before, 0);
}

function takeOne(before, done) {
  const gradient = oneStep(before.all);
  before.gradient ??= gradient;
  S.stepped++;
  S.origin = "stepped";
  readSheet();
  compute();
  S.trace.push({ cost: costNow(), right: S.right });
  S.before = before;
  S.t = S.goal = COST;
  if (done + 1 < before.many) {
    if (calm.matches) {
      takeOne(before, done + 1);
      return;
    }
    refresh();
    setTimeout(takeOne, 130, before, done + 1);
    return;
  }
  S.stepping = false;
  S.known = null;
  if (before.many === 1 && !calm.matches) {
    S.t = 0;
    go(COST);
  }
  refresh();
  tell(COST);
}

// The recorded step, with the learning rate; gives the gradient
function oneStep(all_) {
  if (!all_) return lookAt(S.x, S.label, stepRate()).gradient;
  const targets = new Float64Array(CLASSES * PICKED);
  for (let i = 0; i < PICKED; i++) targets[CLASSES * i + LABELS[i]] = 1;
  const inputs = X.subarray(0, PIXELS * PICKED);
  return trainOn(P, inputs, targets, PICKED, stepRate()).gradient;
}

function undo() {
  const last = S.undo.pop();
  if (!last) return;
  P.set(last.weights);
  Object.assign(S, { trace: last.trace, origin: last.origin, stepped: last.stepped, before: null });
  readSheet();
  compute();
  S.t = S.goal = S.back ? LAST : S.has ? DEPTH : 0;
  refresh();
  tell();
  putWords($("sentence"), SENTENCES.undone(costNow(), S.right));
}

// What is counted are the others: the image that the step was for is not one of them
function steppedSentence() {
  const { many, all: all_, cost, list } = S.before;
  const own = S.source === "sample" ? S.index : -1;
  const others = [...Array(PICKED).keys()].filter((i) => i !== own);
  const was = (i) => list[i] === LABELS[i];
  const is = (i) => S.reads[i] === LABELS[i];
  return SENTENCES.stepped({
    many,
    all: all_,
    rate: stepRate(),
    from: cost,
    to: costNow(),
    others: others.length,
    lost: others.filter((i) => was(i) && !is(i)).length,
    gain: others.filter((i) => !was(i) && is(i)).length,
  });
}

function drawStep() {
  const rate = stepRate();
  $("rate-out").textContent = num(rate, 2);
  $("rate").setAttribute("aria-valuetext", num(rate, 2));
  $("undo").disabled = !S.undo.length;
  if (!S.back) return;
  const { before, trace: path } = S;
  const gain = before ? S.right - before.right : 0;
  $("dc").textContent = before
    ? `${costText(before.cost)} → ${costText(costNow())}`
    : costText(costNow());
  $("dr").replaceChildren(
    before ? `${before.right} → ${S.right} ` : String(S.right),
    gain
      ? make("span", { className: tone(gain), textContent: minus((gain > 0 ? "+" : "") + gain) })
      : "",
  );
  $("trace").hidden = path.length < 2;
  $("hint").hidden = path.length > 1;
  if (path.length > 1) drawTrace(path);
}

function drawTrace(path) {
  const [g, width, height] = fit($("trace"));
  const steps = Math.max(path.length - 1, 10);
  const x = (k) => 4 + (k / steps) * (width - 40);
  const top = Math.max(...path.map((p) => p.cost), 0.05);
  const curve_ = (y, colour, dash, label) => {
    g.strokeStyle = g.fillStyle = colour;
    g.setLineDash(dash);
    g.lineWidth = 2;
    segment(g, ...path.map((p, k) => [x(k), y(p)]));
    g.setLineDash([]);
    const [endX, endY] = [x(path.length - 1), y(path.at(-1))];
    disc(g, endX, endY, 2.6);
    const place = clamp(endY + 4, 11, height - 3);
    write(g, label, endX + 6, place, { colour, font: "600 11.5px" });
  };
  g.strokeStyle = C.hairline;
  g.lineWidth = 1;
  segment(g, [4, height - 6], [width - 36, height - 6]);
  const right = (p) => mix(height - 6, 8, p.right / PICKED);
  curve_(right, C.ink, [4, 3], String(path.at(-1).right));
  curve_((p) => mix(height - 6, 8, (p.cost / top) * 0.9), C.output, [], "C");
}

// The sheet: what is misread, newly misread, newly right

function drawSheet() {
  const base = S.view === "train" ? S.reads : S.before ? S.before.list : S.base;
  all("#thumbs button").forEach((e, i) => {
    const is = S.reads[i] === LABELS[i];
    const was = base[i] === LABELS[i];
    if (is) delete e.dataset.reads;
    else e.dataset.reads = NAMES[S.reads[i]].slice(0, 2);
    e.classList.toggle("lost", was && !is);
    e.classList.toggle("won", !was && is);
    e.setAttribute("aria-pressed", S.index === i && S.source === "sample");
    announce(e, SHEET.image(LABELS[i], S.reads[i]));
  });
  $("score").textContent = SHEET.score(S.right);
  $("sheet-note").hidden = Boolean(S.before);
  $("sheet-note-new").hidden = !S.before;
}
