// What the page shows, and how it changes: the image, its answer, and where the computation is.

const S = {
  x: new Float32Array(PIXELS),
  source: null, // sample, edited, drawn, noise
  index: -1, // of the image that was picked
  label: null, // the right answer
  has: false, // whether there is an image
  t: 0, // where the computation is, on the line above the network
  goal: 0,
  seen: null, // what the recorded program gave
  back: null, // the same, if there is an answer to go back from
  hover: null, // neurons: pointed at, kept, suggested
  pin: null,
  soft: null,
  weight: null, // a weight: {l, j, i}
  dock: "empty",
  before: null, // what was before the last step
  undo: [],
  trace: [], // cost and right answers, step by step
  stepped: 0,
  origin: "trained",
  rank: 0,
  playing: false,
  stepping: false,
  reads: new Int8Array(PICKED),
  base: new Int8Array(PICKED),
  right: 0,
  version: 0,
  view: "one",
  program: false, // whether the lens shows the program
  script: false, // in JavaScript's words
};

const selected = () => S.hover ?? S.pin ?? S.soft;
const marked = () => S.hover ?? S.pin;
const lastStop = () => (!S.has ? 0 : S.label === null ? DEPTH : LAST);
const stepRate = () => 10 ** +$("rate").value;
const answers = () => S.seen.answers;

function compute() {
  S.has = S.source !== null;
  S.seen = lookAt(S.x, S.label);
  S.back = S.has && S.label !== null ? S.seen : null;
  S.known = null;
  listEdges();
}
const costNow = () => S.seen.cost;

// The strongest edges: five for each neuron of layer 1, then so many that they can be told apart
function listEdges() {
  const { a } = S.seen;
  const weight = (l, j, i) => P[indexOf({ l, j, i })];
  const layers = layersFrom(1);
  S.rest = [null, ...layers.map((l) => (l === 1 ? [] : strongest(l, weight)))];
  const push = (l, j, i) => weight(l, j, i) * a[l - 1][i];
  S.forward = [null, ...layers.map((l) => (S.has ? strongest(l, push) : []))];
  const nudge = (l, j, i) => -S.back.gradient[indexOf({ l, j, i })];
  S.backward = [null, ...layers.map((l) => (S.back ? strongest(l, nudge) : []))];
}

const inkedPixels = () => [...S.x.keys()].filter((i) => S.x[i]);

function strongest(l, value) {
  const sources = l === 1 ? inkedPixels() : DRAWN[l - 1];
  const list = DRAWN[l].flatMap((j) => {
    const own = sources.map((i) => ({ l, j, i, v: value(l, j, i) })).filter((edge) => edge.v);
    return l === 1 ? own.sort(byStrength).slice(0, 5) : own;
  });
  list.sort(byStrength);
  return l === 1 ? list : list.slice(0, Math.round((l === DEPTH ? 4.4 : 3.5) * DRAWN[l].length));
}

// The images to pick from

function readSheet() {
  const { reads } = readMany(P, X.subarray(0, PIXELS * PICKED));
  S.reads.set(reads);
  S.right = reads.filter((read, i) => read === LABELS[i]).length;
  S.version++;
}

function pick(i) {
  forgetDrawing();
  S.x = Float32Array.from(imageAt(i));
  if (POINTS) plane.at = pointAt(i);
  Object.assign(S, { source: "sample", index: i, label: LABELS[i], before: null, trace: [] });
  Object.assign(S, { weight: null, soft: null, playing: false, rank: 0, dock: "cost", t: 0 });
  compute();
  refresh();
  showThumb(i);
  go(COST);
}

// On a narrow screen the images are a strip that can be pushed
function showThumb(i) {
  const strip = $("thumbs");
  const chosen = strip.children[i];
  strip.scrollLeft = chosen.offsetLeft - strip.offsetLeft - strip.clientWidth / 2;
}

function showNoise() {
  forgetDrawing();
  const inputs = Float32Array.from({ length: PIXELS * PICKED }, Math.random);
  const { rows } = readMany(P, inputs);
  const tops = rows.map((row) => Math.max(...row));
  S.noise = {
    sure: tops.filter((v) => v > 0.5).length,
    mean: tops.reduce((sum, v) => sum + v, 0) / PICKED,
  };
  S.x = inputs.slice(0, PIXELS);
  Object.assign(S, { source: "noise", index: -1, label: null, before: null, trace: [] });
  Object.assign(S, { weight: null, soft: null, playing: false, dock: "empty", t: 0 });
  compute();
  refresh();
  go(DEPTH);
}

function setLabel(k) {
  if (!S.has) return whisper(WHISPERS.first);
  if (k >= CLASSES) return undefined;
  Object.assign(S, { label: k, before: null, trace: [], dock: "cost" });
  compute();
  S.t = Math.min(S.t, COST);
  refresh();
  go(COST);
  tell(COST);
  return undefined;
}

// The page, drawn anew: the network alone, or with all that stands around it

function paint() {
  drawProgram();
  drawWires();
  drawNeurons();
  moveHandle();
  const stepped = S.before && S.t >= COST - 0.01 && S.t < COST + 0.01;
  $("say").dataset.phase = stepped
    ? "step"
    : !S.has
      ? "start"
      : S.t > COST
        ? "backward"
        : "forward";
}

function refresh() {
  if (S.view === "train") return;
  document.body.dataset.dock = S.dock;
  paint();
  drawPad();
  drawLens();
  drawCost();
  drawGradient();
  drawStep();
  drawSheet();
  nextButton();
  $("input-title").textContent = INPUT_TITLE[S.source ?? "none"](LABELS[S.index], S.label);
  all("#digits button").forEach((e, k) => e.setAttribute("aria-pressed", S.label === k));
  showOrigin();
  noteAddress();
}

function showOrigin() {
  const origin = $("origin");
  const words = ORIGIN[S.view === "train" ? "train" : S.origin](S.stepped);
  if (origin.dataset.text === words) return;
  origin.dataset.text = origin.textContent = words;
  if (S.view !== "train" && S.origin !== "trained") {
    origin.append(make("button", { textContent: ORIGIN.back, onclick: restore }));
  }
}

function restore() {
  P.set(TRAINED);
  Object.assign(S, { origin: "trained", stepped: 0, undo: [], trace: [], before: null });
  readSheet();
  S.base.set(S.reads);
  compute();
  S.t = S.goal = Math.min(COST, lastStop());
  if (S.dock === "learn") S.dock = "cost";
  refresh();
  tell();
}

// What just happened

function tell(t = S.t) {
  if (S.view === "train") return;
  const [phase, sentence] = sentenceAt(t);
  $("say").dataset.phase = phase;
  $("phase").textContent = PHASES[phase];
  putWords($("sentence"), sentence);
  nextButton();
}

// Pieces of a sentence into an element: texts and <b>
function putWords(element, pieces) {
  const key = JSON.stringify(pieces);
  if (element.pieces === key) return;
  element.pieces = key;
  const node = (piece) =>
    typeof piece === "object"
      ? make("b", { className: piece.kind, textContent: piece.strong })
      : String(piece);
  element.replaceChildren(...[pieces].flat(9).map(node));
}

let told = 0;
function tellReading(now) {
  clearTimeout(told);
  if (now) return tell();
  told = setTimeout(tell, 400);
  return undefined;
}

function topTwo() {
  const values = answers();
  const [k, second] = ranked(values);
  return { k, v: values[k], second, w: values[second] };
}

function sentenceAt(t) {
  if (!S.has) return ["start", SENTENCES.empty()];
  if (S.before && t >= COST - 0.01 && t < COST + 0.5) return ["step", steppedSentence()];
  const stop = Math.floor(t);
  return [stop > COST ? "backward" : "forward", stop > COST ? wanting(stop) : computing(stop)];
}

function computing(stop) {
  if (stop === 0) return SENTENCES.input(inkedPixels().length);
  if (stop < DEPTH) {
    const top = best(S.seen.a[stop]);
    return SENTENCES.layer(stop, top, S.seen.a[stop][top]);
  }
  const read = topTwo();
  if (stop === DEPTH && S.source === "noise") return SENTENCES.noise({ ...read, ...S.noise });
  if (stop === DEPTH) return SENTENCES.reads({ ...read, asked: S.label === null });
  const told = S.source !== "sample" || S.label !== LABELS[S.index];
  return SENTENCES.cost({ ...read, label: S.label, told, cost: costNow() });
}

function wanting(stop) {
  const { da, gradient } = S.back;
  const l = LAST - stop;
  if (l === 0) return SENTENCES.weights(norm(gradient));
  const j = best([...da[l]].map(Math.abs));
  const wish = wishOf(l, j, da[l][j]);
  if (l === DEPTH) return SENTENCES.outputs(wish);
  if (l === DEPTH - 1) return SENTENCES.through(l, wish);
  const layers = layersFrom(l).reverse();
  return SENTENCES.further(
    l,
    wish,
    layers.map((n) => largest(da[n])),
  );
}

// The button that always knows the next sensible thing
function nextButton() {
  const [words, action] = S.view === "train" ? nextInTraining() : nextStep();
  const button = $("next");
  if (button.textContent !== words) button.textContent = words;
  button.onclick = action;
}

function nextStep() {
  const { before } = S;
  if (!S.has) return [BUTTONS.show, () => pick(Math.floor(Math.random() * PICKED))];
  if (S.source === "noise" && S.label === null && S.t === DEPTH) return [BUTTONS.again, showNoise];
  if (S.label === null) return [BUTTONS.choose(), () => $("digits").firstElementChild.focus()];
  if (S.playing) return [BUTTONS.pause, pause];
  if (S.t < COST) return [BUTTONS.forward, () => go(COST)];
  if (before) {
    const words = before.many === 1 ? BUTTONS.another : before.all ? BUTTONS.moreAll : BUTTONS.more;
    return [words, () => takeSteps(before.many, before.all)];
  }
  if (S.t === COST) return [BUTTONS.backward, runBackward];
  return S.t < LAST ? [BUTTONS.on, runBackward] : [BUTTONS.step, () => takeSteps(1)];
}

const whisper = (words) => {
  $("spoken").textContent = words;
};
