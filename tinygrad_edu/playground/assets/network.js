// The network at run time: its numbers in one row, and the programs that the engine recorded.

const DATA = JSON.parse($("data").textContent);
const NAMES = DATA.names;
const CLASSES = NAMES.length;
const SIDE = DATA.side;
const POINTS = "features" in DATA; // of the plane, in place of images
const FEATURES = DATA.features;
const PIXELS = POINTS ? FEATURES.length : SIDE * SIDE; // numbers that go in
const LAYERS = [null, ...DATA.layers]; // from 1 on, as in the sentences
const DEPTH = DATA.layers.length;
const SIZES = [PIXELS, ...DATA.layers.map((layer) => layer.size)];
const TOTAL = DATA.layers.reduce((sum, { size }, l) => sum + size * (SIZES[l] + 1), 0);
const DRAWN = [null, ...DATA.layers.map((layer) => layer.drawn)];
const { picked: PICKED, measured: MEASURED, labels: LABELS } = DATA;
const SQUARED = DATA.cost === "squared";
const COST = DEPTH + 1; // stops on the line above the network
const LAST = 2 * DEPTH + 2;

const layersFrom = (first) => SIZES.map((_, l) => l).slice(first);
const indexOf = ({ l, j, i }) =>
  i < 0 ? LAYERS[l].biases + j : LAYERS[l].weights + SIZES[l - 1] * j + i;

// Which number of a weight or, with i = −1, of a bias
function placeOf(index) {
  let l = DEPTH;
  while (index < LAYERS[l].weights) l--;
  const { weights, biases } = LAYERS[l];
  if (index >= biases) return { l, j: index - biases, i: -1 };
  return {
    l,
    j: Math.floor((index - weights) / SIZES[l - 1]),
    i: (index - weights) % SIZES[l - 1],
  };
}

// One recorded program: `run` is the engine's, `put` and `take` move the weights in and out
class Recorded {
  constructor(name) {
    const { run, state, stored } = RECORDED[name]();
    this.run = run;
    this.state = state;
    this.stored = stored;
    this.places = DATA.places[name];
    this.gradients = DATA.gradients[name];
  }
  put(weights) {
    for (const [name, from, size] of this.places) {
      this.state[name].set(weights.subarray(from, from + size));
    }
  }
  take(weights) {
    for (const [name, from] of this.places) weights.set(this.state[name], from);
  }
  gradient() {
    const all_ = new Float64Array(TOTAL);
    for (const [name, from] of this.gradients) all_.set(this.stored[name], from);
    return all_;
  }
}

const looking = new Recorded("look");
const reading = new Recorded("read");
const P = new Float64Array(TOTAL); // the weights and biases of the first view
const training = {}; // a program for each number of images, made when it is first needed
const bends = {};

const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const TRAINED = Float64Array.from(new Float32Array(bytesOf(DATA.weights).buffer));
let X; // the images, each PIXELS numbers from 0 to 1, or the features of points

async function unpackImages() {
  const packed = new Blob([bytesOf(DATA.images)]).stream();
  const stream = packed.pipeThrough(new DecompressionStream("deflate-raw"));
  const halves = new Uint8Array(await new Response(stream).arrayBuffer()); // no request is made
  X = new Float32Array(halves.length * 2);
  halves.forEach((pair, i) => {
    X[2 * i] = (pair >> 4) / 15;
    X[2 * i + 1] = (pair & 15) / 15;
  });
}

const imageAt = (i) => X.subarray(PIXELS * i, PIXELS * (i + 1));
const wanted = (label) => Float64Array.from({ length: CLASSES }, (_, k) => +(k === label));

// Forward and backward for one image, and a step of this length
function lookAt(x, label, rate = 0) {
  looking.put(P);
  const seen = looking.run(x, wanted(label), { [DATA.rate]: rate });
  if (rate) looking.take(P);
  return {
    ...seen,
    a: [x, ...seen.a],
    z: [null, ...seen.z],
    da: [null, ...seen.da],
    dz: [null, ...seen.dz],
    gradient: looking.gradient(),
  };
}

// A step on many images at once; gives their mean cost and the gradient
function trainOn(weights, inputs, targets, images, rate) {
  const name = `train_${images}`;
  const program = (training[name] ??= new Recorded(name));
  program.put(weights);
  const others = POINTS ? [[penalty()]] : [];
  const cost = program.run(inputs, targets, ...others, { [DATA.rate]: rate });
  program.take(weights);
  return { cost, gradient: program.gradient() };
}

// What the network answers to PICKED images at once, and the activations of each layer
function readMany(weights, inputs) {
  reading.put(weights);
  const { answers, a } = reading.run(inputs);
  const rows = Array.from({ length: PICKED }, (_, i) =>
    answers.subarray(CLASSES * i, CLASSES * (i + 1)),
  );
  return { rows, reads: rows.map(best), a: [null, ...a.slice(0, -1), answers] };
}

// The activation of a layer from −8 to 8, and at z: its values, its slopes
function bent(l, z) {
  const program = (bends[l] ??= new Recorded(`bend_${l}`));
  const places = Float64Array.from({ length: 162 }, (_, k) => (k === 161 ? z : k / 10 - 8));
  return program.run(places);
}
const slopeAt = (l, z) => (LAYERS[l].kind ? bent(l, z).slope[161] : 1);

// Noise to start from, spread as its layer can learn from
function noise(random) {
  const weights = new Float64Array(TOTAL);
  for (let l = 1; l <= DEPTH; l++) {
    const { weights: first, biases, size, spread } = LAYERS[l];
    for (let k = first; k < biases; k++) weights[k] = spread[0] * gauss(random);
    for (let k = biases; k < biases + size; k++) weights[k] = spread[1] * gauss(random);
  }
  return weights;
}
const isUnit = (l) => LAYERS[l].range === "unit";
