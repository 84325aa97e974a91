// Training in the page: mini-batch gradient descent from noise, with the recorded step.

const T = {
  weights: null,
  running: false,
  run: 0, // how often it began anew
  shuffled: false, // whether the labels are drawn at random
  labels: null, // of the training images
  random: Math.random,
  step: 0,
  seen: 0, // images
  order: [],
  at: 0,
  mean: null, // the cost, averaged over some steps
  norms: null, // ‖∇C‖ of each layer
  history: [], // [step, cost, ...norms]
  rights: [], // [step, share right of others, share of its own images]
  ms: 0,
  told: 0,
};
const IMAGES = LABELS.length - MEASURED; // to train on
const trainRate = () => 10 ** +$("rate2").value;
const batchSize = () => DATA.batches[+$("batch").value];
const goodRate = () => DATA.rates[2];

function seed(value) {
  T.random = generator(value);
}

function fresh() {
  T.weights = noise(T.random);
  T.run++;
  T.labels = LABELS.slice(MEASURED);
  if (T.shuffled) shuffle(T.labels, T.random);
  T.order = [...Array(IMAGES).keys()];
  Object.assign(T, {
    step: 0,
    seen: 0,
    at: 0,
    mean: null,
    norms: null,
    history: [],
    rights: [],
    ms: 0,
  });
}

// The next images in an order that is shuffled whenever all were seen
function nextBatch() {
  const images = batchSize();
  if (T.at === 0 || T.at + images > IMAGES) {
    T.at = 0;
    shuffle(T.order, T.random);
  }
  const chosen = T.order.slice(T.at, T.at + images);
  T.at += images;
  const inputs = new Float32Array(PIXELS * images);
  const targets = new Float64Array(CLASSES * images);
  chosen.forEach((i, n) => {
    inputs.set(imageAt(MEASURED + i), PIXELS * n);
    targets[CLASSES * n + T.labels[i]] = 1;
  });
  return { images, inputs, targets };
}

function trainOnce() {
  const { images, inputs, targets } = nextBatch();
  const { cost, gradient } = trainOn(T.weights, inputs, targets, images, trainRate());
  T.step++;
  T.seen += images;
  T.mean = T.mean === null ? cost : mix(T.mean, cost, Math.max(1 / (T.step + 1), 0.04));
  if (T.step < 50 || T.step % Math.ceil(T.step / 400) === 0) noteStep(gradient);
  return cost;
}

function noteStep(gradient) {
  const norms = layersFrom(1).map((l) => {
    const { weights, biases, size } = LAYERS[l];
    return norm(gradient.subarray(weights, biases + size));
  });
  T.norms = T.norms ? T.norms.map((v, k) => mix(v, norms[k], 0.15)) : norms;
  T.history.push([T.step, T.mean, ...T.norms]);
}

// What it gets right: of images that it never learns from, and of its own
function evaluate() {
  const rights = (first, images, labels) => {
    let right = 0;
    const chunks = Math.max(1, Math.floor(images / PICKED));
    for (let n = 0; n < chunks; n++) {
      const from = first + n * PICKED;
      const { reads, a } = readMany(T.weights, X.subarray(PIXELS * from, PIXELS * (from + PICKED)));
      reads.forEach((read, i) => {
        right += Number(read === labels[n * PICKED + i]);
      });
      if (from === 0) {
        S.reads.set(reads);
        T.activations = a;
      }
    }
    return right / (chunks * PICKED);
  };
  T.right = rights(0, MEASURED, LABELS);
  T.known = IMAGES < PICKED ? null : rights(MEASURED, Math.min(IMAGES, MEASURED), T.labels);
  S.right = [...S.reads].filter((read, i) => read === LABELS[i]).length;
  T.rights.push([T.step, T.right, T.known]);
}

function trainFrame(now) {
  if (!T.running) return;
  const start = performance.now();
  let steps = 0;
  do {
    trainOnce();
    steps++;
  } while (T.step > 80 && performance.now() - start < 11); // the first one by one, to be seen
  const ms = (performance.now() - start) / steps;
  T.ms = T.ms ? mix(T.ms, ms, 0.1) : ms;
  if (now - (T.evaluated ?? 0) > 350) {
    T.evaluated = T.drawn = now;
    evaluate();
    drawTraining();
  } else if (now - (T.drawn ?? 0) > 100) {
    T.drawn = now;
    drawTraining();
  }
  requestAnimationFrame(trainFrame);
}

function togglePlay() {
  T.running = !T.running;
  if (T.running) requestAnimationFrame(trainFrame);
  else evaluate();
  const words = TEXTS();
  $("play").textContent = T.running ? words.pause : words.play;
  $("play").setAttribute("aria-pressed", T.running);
  drawTraining();
  tellTraining(true);
}

function oneTrainingStep() {
  if (T.running) togglePlay();
  trainOnce();
  evaluate();
  drawTraining();
  tellTraining(true);
}

function restart() {
  const was = T.running;
  T.running = false;
  fresh();
  evaluate();
  drawTraining();
  tellTraining(true);
  if (was) togglePlay();
}

function restartAt(rate) {
  $("rate2").value = Math.log10(rate);
  restart();
  if (!T.running) togglePlay();
}

// Saturation alone is no alarm, a good network has it: stuck is a bad cost without a gradient

function trouble() {
  if (T.mean !== null && !Number.isFinite(T.mean)) return "lost";
  const length = T.norms ? norm(T.norms) : 1;
  if (T.step <= 60 || length >= 0.02) return "";
  const { none, even } = DATA.marks;
  if (none && Math.abs(T.mean / none - 1) < 0.03) return "dead";
  return T.mean > 0.97 * even && length < 1e-3 ? "stuck" : "";
}

function trainingSentence() {
  const epochs = T.seen / IMAGES;
  const length = T.norms ? norm(T.norms) : 1;
  const wrong = trouble();
  if (wrong === "lost") return TRAINING.lost(goodRate());
  if (wrong === "dead") return TRAINING.dead(length, goodRate());
  if (wrong === "stuck") return TRAINING.stuck(T.mean, length, goodRate());
  if (!T.step) return TRAINING.start(IMAGES, T.shuffled);
  if (T.running && T.step < 40) return TRAINING.early();
  if (T.shuffled) return TRAINING.heart(T.step, epochs, T.known ?? 0, T.right);
  if (T.mean > 0.94 * DATA.marks.even) {
    return TRAINING.plateau(T.step, T.mean, trainRate() < 0.06 * goodRate());
  }
  const heart = T.mean < 0.05 * DATA.marks.even && T.right < DATA.right[0] - 0.02;
  return TRAINING.learns(T.step, epochs, T.mean, T.right, heart);
}

function tellTraining(now) {
  if (S.view !== "train") return;
  const time = performance.now();
  if (!now && time - T.told < 2500) return;
  T.told = time;
  const wrong = trouble();
  const phase = wrong ? "stuck" : T.running ? "training" : T.step ? "paused" : "noise";
  $("say").dataset.phase = wrong ? "backward" : T.running ? "forward" : "start";
  $("phase").textContent = TRAINING.phase[phase];
  putWords($("sentence"), trainingSentence());
  nextButton();
}

function nextInTraining() {
  if (trouble()) return [BUTTONS.rescue(goodRate()), () => restartAt(goodRate())];
  return [T.running ? BUTTONS.pause : T.step ? BUTTONS.goOn : BUTTONS.play, togglePlay];
}

function adopt() {
  P.set(T.weights);
  Object.assign(S, { origin: "own", undo: [], trace: [], before: null });
  compute();
  S.t = S.goal = Math.min(COST, lastStop());
  S.dock = !S.has ? "empty" : S.label === null ? "label" : "cost";
  show("one");
}

// One of the two views

function show(view) {
  S.view = document.body.dataset.view = view;
  showTab("tab-one", view === "one");
  showTab("tab-train", view === "train");
  const trains = view === "train";
  $("controls").hidden = $("lab").hidden = !trains;
  $("sheet-title").textContent = SHEET.title(trains);
  if (trains) {
    S.before = null;
    if (!T.weights) fresh();
    evaluate();
    drawTraining();
    tellTraining(true);
    showOrigin();
    noteAddress();
    return;
  }
  if (T.running) togglePlay();
  readSheet();
  S.base.set(S.reads);
  measure();
  refresh();
  tell();
}
