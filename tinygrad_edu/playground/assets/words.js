// Every sentence and label of the page. A translation is another file like this one.

// Pieces of a sentence: texts, and bold ones. Nothing in them is ever read as HTML.
const bold = (value, kind = "") => ({ strong: String(value), kind });
const up = (value) => bold(value, "positive");
const down = (value) => bold(value, "negative");
const say = (texts, ...values) => texts.flatMap((text, i) => [text, values[i] ?? ""]).flat(9);

const isDigits = () => !POINTS && NAMES.every((name, k) => name === String(k));
const ITEM = POINTS ? "point" : "image";
const READS = POINTS ? "takes it for" : "reads";
const MISREAD = POINTS ? "mistaken" : "misread";
const article = (k) => (NAMES[k] === "8" || NAMES[k] === "11" ? "an " : "a ");
const named = (k) => (isDigits() ? article(k) + NAMES[k] : NAMES[k]);
const namedBold = (k) => (isDigits() ? [article(k), bold(NAMES[k])] : bold(NAMES[k]));
const thing = () => (isDigits() ? "digit" : "class");
const NUMBERS = "no one two three four five six seven eight nine ten eleven twelve".split(" ");
const spelled = (n) => NUMBERS[n] ?? String(n);

const layerName = (l) => (l === 0 ? "input" : l === DEPTH ? "outputs" : `layer ${l}`);
const outputName = (k) => `output ${NAMES[k]}`;
const neuronName = (l, j) => (l === DEPTH ? outputName(j) : `layer ${l}, neuron ${j + 1}`);
const capital = (text) => text[0].toUpperCase() + text.slice(1);
function sourceName(l, i) {
  if (i < 0) return "bias";
  if (l === 1 && POINTS) return FEATURES[i];
  return l === 1 ? `row ${Math.floor(i / SIDE)}, col ${i % SIDE}` : `neuron ${i + 1}`;
}
// Nothing moves a weight behind a feature that is not told, except a penalty
function movers() {
  const untold = POINTS && !penalty() ? plane.chosen.filter((on) => !on).length : 0;
  return `${untold ? `${count(TOTAL - untold * SIZES[1])} of` : "all"} ${count(TOTAL)} numbers`;
}
const targetName = (l, j) => (l === DEPTH ? outputName(j) : `neuron ${j + 1} of layer ${l}`);
const direction = (g) => (g < 0 ? "up ↑" : "down ↓");

const squash = (kind) =>
  ({
    Sigmoid: "squashes the sum to between 0 and 1",
    Tanh: "squashes the sum to between −1 and 1",
    ReLU: "cuts it off below 0",
    "": "leaves the sum as it is",
  })[kind] ?? `sends the sum through ${kind}`;
const symbol = (kind) => ({ Sigmoid: "σ", Tanh: "tanh", ReLU: "ReLU" })[kind] ?? kind;

// Texts that stand still: for elements with data-say, data-name (their name) and data-hint
const TEXTS = () => ({
  "one image": `One ${ITEM}`,
  "train from noise": "Train from noise",
  "what to do": "what to do",
  theme: "light or dark",
  "to light": "switch to light",
  "to dark": "switch to dark",
  "what happened": "what just happened",
  eraser: "eraser",
  "eraser hint": "eraser (E)",
  noise: "Noise",
  "noise hint": "show it noise: how sure is it?",
  clear: "Clear",
  pad: POINTS ? "the plane" : `drawing square, ${SIDE} by ${SIDE}`,
  "drawing square": POINTS ? "plane of points" : "drawing square",
  "pad help": POINTS
    ? "Arrow keys move a point of your own, with Shift by less. Enter takes the nearest of the " +
      "points to pick, Delete takes it away."
    : "Arrow keys move the cursor, with Shift they draw. Space puts the pen down or lifts it. " +
      "Enter centres the drawing. E is the eraser, Backspace takes back the last stroke, Delete clears.",
  "draw here": "draw here",
  "draw how": "mouse, finger, or Shift + arrow keys",
  training: "training",
  play: "Play",
  pause: "Pause",
  "one step": "1 step",
  "new noise": "New noise",
  rate: "Learning rate",
  "learning rate": "learning rate",
  crawls: "crawls",
  learns: "learns",
  dies: "dies",
  batch: `${capital(ITEM)}s per step`,
  features: "Features",
  "data noise": "Noise of the points",
  penalty: "Regularisation λ",
  "draws the line": "what it answers all over, and where its answer changes",
  "try a rate": "try a rate",
  shuffled: "Shuffle the labels",
  "shuffled note": "only to be learned by heart",
  steps: "steps",
  epochs: "epochs",
  "per step": "per step",
  adopt: POINTS
    ? "Look into this network"
    : `Read ${isDigits() ? "digits" : "images"} with these weights`,
  "test images": `${ITEM}s to pick`,
  line: "where the computation is",
  network: "the network; arrow keys move between neurons, Enter keeps one",
  "to learn": `${count(TOTAL)} numbers to learn`,
  adds: `Each neuron adds up weight × activation over the layer before it, adds its bias, and ${squash(LAYERS[1].kind)}.`,
  "which is it": `Which ${thing()} is it?`,
  "which help":
    "The network can only learn from an example if somebody says what it should have answered. " +
    (isDigits() ? `Choose, or press a key from 0 to ${CLASSES - 1}.` : "Choose."),
  "right answer": "the right answer",
  cost: "The cost",
  "ranked by size": "−∇C, ranked by size",
  "strongest nudges": "the strongest nudges",
  downhill: "Step downhill",
  "step one": "One step",
  "step ten": "Ten",
  "step all": `Ten on all ${PICKED}`,
  "step all hint": `ten steps along the average gradient of all ${PICKED} ${ITEM}s`,
  undo: "undo",
  "undo hint": "undo (U)",
  "this cost": `this ${ITEM}’s cost`,
  "right of": `right of the ${PICKED}`,
  watch: `Watch both: what is good for one ${ITEM} need not be good for the others.`,
  trace: "cost and accuracy, step by step",
  lens: "a neuron, with its numbers",
  "lens tabs": "what to see here",
  numbers: "Numbers",
  program: "Program",
  words: "in whose words",
  numpy: "NumPy",
  javascript: "JavaScript",
  "what you see": "What you see",
  "a neuron": isUnit(1)
    ? `a neuron holds a number from 0 to 1${POINTS ? "" : ", as a pixel does"}`
    : "a neuron holds a number: the stronger, the fuller",
  "a push": "weight × activation pushes the next one up",
  "a pull": "pushes it down; thin ones are not drawn",
  "a tile": POINTS
    ? "what a neuron answers all over the plane: blue above 0, orange below"
    : `the ${PIXELS} weights of a neuron of the first layer, where the pixels are`,
  "an output": "an output, and where the right answer wants it",
  "a nudge": "backward: which way the cost wants it; longer is stronger",
  keys: "Keys",
  "key answer": "the right answer",
  "last class": String(Math.min(CLASSES - 1, 9)),
  "key line": "on the line: layer by layer",
  "key do": "backward, one step, undo",
  "worth trying": "Worth trying",
  "try neuron": "Point at a neuron or a line: its numbers. Click: they stay.",
  "try draw": POINTS
    ? "Drag a point across the line. Where does the answer change?"
    : isDigits()
      ? "Draw a 3, then close it on the left. When is it an 8?"
      : "Draw on top of an image. When is it another class?",
  "try misread": `Pick one that is ${MISREAD}, run it backward.`,
  "try lie": isDigits()
    ? "Tell it that a 7 is a 1, take ten steps at η = 1."
    : "Tell it a wrong class, take ten steps at η = 1.",
  "try noise": POINTS
    ? "Switch features on or off, at the left of the network. What does the line need?"
    : "Show it noise. How sure is it?",
  previous: "previous neuron",
  next: "next neuron",
  close: "close",
  "add up": "Add up",
  wants: "What the cost wants",
  squash: LAYERS[1].kind === "Sigmoid" || LAYERS[1].kind === "Tanh" ? "Squash" : "Activate",
  "chain rule": "Chain rule for one weight",
  run: "the training run",
  "layer 1 looks for": POINTS ? "Where its answer changes" : "What layer 1 looks for",
  "neurons answer": "What the neurons answer",
  "neurons answer note": `share of all answers to ${PICKED} ${ITEM}s`,
  "chart cost": "Cost",
  "chart cost note": "of a batch, averaged",
  "chart right": "Right answers",
  "chart right note": `of ${count(MEASURED)} ${ITEM}s it never learns from`,
  "chart gradient": "Length of the gradient",
  "chart gradient note": "‖∇C‖ by layer",
  misread: POINTS ? "mistaken, with the class that it says" : "misread, with what it reads",
  "misread newly": `${MISREAD}, thick: newly`,
  "newly right": "newly right",
  recorded: "As recorded, in",
});

const ORIGIN = {
  trained: () =>
    `${SIZES.join(" → ")} neurons, ${count(TOTAL)} weights and biases: ` +
    `${(100 * DATA.right[0]).toFixed(2)} % of ${count(DATA.right[1])} ${ITEM}s right`,
  stepped: (n) => `after ${n} step${n === 1 ? "" : "s"} of yours. `,
  own: () => "with the weights that you trained. ",
  train: () =>
    `mini-batch gradient descent on ${count(LABELS.length - MEASURED)} ${ITEM}s, in this page`,
  back: "Back to the trained weights",
};
const INPUT_TITLE = {
  sample: (real, told) =>
    real === told
      ? `Test ${ITEM}: ${named(real)}`
      : capital(`${named(real)}, called ${NAMES[told]}`),
  edited: () => "Changed by you",
  drawn: () => (POINTS ? "Your point" : "Your drawing"),
  noise: () => "Noise",
  none: () => (POINTS ? "The plane" : isDigits() ? "Draw a digit" : "Draw"),
};
const SHEET = {
  title: (training) =>
    training ? `${PICKED} of the ${count(MEASURED)} ${ITEM}s` : `Pick one of ${PICKED}`,
  score: (right) => `${right} of ${PICKED} right`,
  image: (label, read) =>
    `${named(label)}; the network ${POINTS ? "says" : "reads"} ${NAMES[read]}${label === read ? "" : ", wrong"}`,
};
const stopName = (k) =>
  k <= DEPTH
    ? layerName(k)
    : k === COST
      ? "cost"
      : k === LAST
        ? "∂ weights"
        : `∂ ${layerName(LAST - k)}`;
const stopSpoken = (k) => stopName(k) + (k > COST ? ", backward" : k < COST ? ", forward" : "");
const UPDATE = "step";

const PHASES = { start: "start", forward: "forward", backward: "backward", step: "step" };

// What a neuron's button is called
function neuronSpoken(l, j, activation, wish) {
  let name = neuronName(l, j);
  if (activation !== null) name += `: activation ${two(activation)}`;
  if (wish !== null) name += `, the cost wants it ${wish < 0 ? "up" : "down"}, ∂C/∂a ${num(wish)}`;
  return name;
}
const edgeTip = (edge, calc) =>
  `${sourceName(edge.l, edge.i)} → ${edge.l === DEPTH ? outputName(edge.j) : `neuron ${edge.j + 1}`}:  ${calc}`;
const nudgeTip = (v) => `nudge ${signed(v, 3)}`;
const pushTip = (activation, weight) =>
  activation === null
    ? `w = ${signed(weight, 3)}`
    : `${two(activation)} × ${signed(weight, 3)} = ${signed(activation * weight, 3)}`;

// What just happened

const SENTENCES = {
  empty: () =>
    POINTS
      ? say`Point at a place in the plane, or pick one of the ${PICKED} points below it. The lines are the network’s strongest weights: ${up("+ solid")}, ${down("− dashed")}.`
      : say`${isDigits() ? "Draw a digit" : "Draw"} in the square, or pick one of the ${PICKED} images below it. The lines are the network’s strongest weights: ${up("+ solid")}, ${down("− dashed")}.`,
  input: (inked_) =>
    POINTS
      ? say`The point x₁ = ${bold(num(plane.at[0]))}, x₂ = ${bold(num(plane.at[1]))} goes in, told by ${spelled(inked_)} feature${inked_ === 1 ? "" : "s"}.`
      : say`${count(PIXELS)} numbers go in, one for each pixel: 0 where the square is blank, 1 where it is inked. ${count(inked_)} of them are not 0.`,
  layer: (l, top, value) => {
    const most = say`neuron ${top + 1} of layer ${l} is the most active, ${bold(two(value))}`;
    return l === 1
      ? say`Each neuron of layer 1 adds up ${bold(`weight × ${POINTS ? "feature" : "pixel"}`)} and ${squash(LAYERS[1].kind)}: ${most}.`
      : say`Layer ${l} does the same with the ${SIZES[l - 1]} numbers of layer ${l - 1}: ${most}.`;
  },
  reads: ({ k, v, second, w, asked }) => {
    const sure = v > 0.7 && w < 0.3 ? "" : v < 0.3 ? " It isn’t sure of anything." : " It wavers.";
    const most = SQUARED ? "is the most active with" : "has the largest share, ";
    return say`It ${READS} ${namedBold(k)}: ${outputName(k)} ${most} ${bold(two(v))}, then ${NAMES[second]} with ${two(w)}.${sure}${asked ? ` Which ${thing()} is it really?` : ""}`;
  },
  noise: ({ k, v, sure, mean }) =>
    say`This is noise, and it reads ${namedBold(k)} with ${bold(two(v))}. Of ${PICKED} such pictures, ${bold(sure)} give an output above 0.5; the strongest is ${two(mean)} on average. Nobody ever told it that there are pictures without a ${thing()}.`,
  cost: ({ k, label, told, cost }) => {
    const right = k === label;
    const verdict = right
      ? say`It ${READS} ${namedBold(k)}, which is ${told ? "what you told it" : "right"}.`
      : say`It ${READS} ${namedBold(k)}, but ${told ? "you say it is" : "it is"} ${namedBold(label)}.`;
    const sum = SQUARED
      ? `The ${spelled(CLASSES)} squares (a − y)² add up to a cost of`
      : `−ln of the share of ${NAMES[label]} is a cost of`;
    const even = plain(DATA.marks.even);
    const beside =
      cost > DATA.marks.even
        ? `: worse than the same answer for every ${thing()}, which costs ${even}`
        : cost < 0.02
          ? ": there is little left to learn here"
          : "";
    return say`${verdict} ${sum} ${bold(costText(cost))}${beside}.`;
  },
  outputs: (wish) =>
    SQUARED
      ? say`From the cost backward: ∂C/∂a = 2 (a − y) says how each output should change. The cost wants ${wish} most of all.`
      : say`From the cost backward: ∂C/∂z = p − y says how each output should change. The cost wants ${wish} most of all.`,
  through: (l, wish) =>
    say`Each output hands its wish on ${bold("through its weights")}. ${capital(layerName(l))} gets ${spelled(SIZES[l + 1])} wishes a neuron, added up: ${wish} most.`,
  further: (l, wish, sizes) =>
    say`The same again, one layer further: layer ${l} should change as well, ${wish} most. The largest |∂C/∂a| was ${sizes
      .slice(0, -1)
      .map((size, n) => `${num(size, 2)} in ${n ? "" : "the "}${layerName(DEPTH - n)}`)
      .join(", ")}, and is ${num(sizes.at(-1), 2)} here.`,
  weights: (length) =>
    say`And the weights: ${bold("how active the source was × what its target wants")}.${POINTS ? "" : " So each tile is now the image, times one number."} The gradient is complete: ${count(TOTAL)} numbers, ${num(length, 2)} long${length < 0.1 ? ": hardly anything to change" : ""}.`,
  stepped: ({ many, all, rate, from, to, others, lost, gain }) => {
    const head =
      many === 1
        ? say`${capital(movers())} moved against the gradient, by ${bold(`η = ${num(rate, 2)}`)} times it.`
        : all
          ? say`Ten steps along the ${bold("average")} of ${PICKED} gradients.`
          : say`Ten steps for ${bold(`this ${ITEM} alone`)}.`;
    const worse = lost
      ? down(`${lost} of ${others} others ${lost === 1 ? "is" : "are"} now ${MISREAD}`)
      : "";
    const better = gain ? up(`${gain}${lost ? "" : ` of ${others} others`} newly right`) : "";
    const rest =
      lost || gain
        ? say`${worse}${lost && gain ? ", " : ""}${better}.`
        : `The ${others} others are ${POINTS ? "told" : "read"} as before.`;
    const moral = all
      ? ` It has now learned from the ${ITEM}s that it counts.`
      : to > from
        ? " The step was too long: it overshot."
        : lost > 2 && lost > gain
          ? ` What is good for one ${ITEM} isn’t for all: training averages the wishes of many.`
          : to > 0.5
            ? " Again?"
            : "";
    return say`${head} Cost of this ${ITEM}: ${bold(`${costText(from)} → ${costText(to)}`)}. ${rest}${moral}`;
  },
  undone: (cost, right) =>
    say`Undone: the weights are back where they were. Cost ${bold(costText(cost))}, ${right} of ${PICKED} right.`,
};
const wishOf = (l, j, g) =>
  say`${l === DEPTH ? "output" : "neuron"} ${bold(`${l === DEPTH ? NAMES[j] : j + 1} ${direction(g)}`)}`;

const BUTTONS = {
  show: "Show me one",
  choose: () => (isDigits() ? `Choose 0 to ${CLASSES - 1}` : "Choose one"),
  again: "More noise",
  pause: "Pause",
  forward: "Forward ▸",
  backward: "◂ Run it backward",
  on: "◂ Go on",
  step: "Take one step",
  another: "Another step",
  more: "Ten more",
  moreAll: "Ten more, all",
  play: "Play",
  goOn: "Go on",
  rescue: (rate) => `New noise, rate ${rate}`,
};
const WHISPERS = {
  first: POINTS ? "Point at a place, or pick a point first." : "Draw or pick an image first.",
  point: (place) => `x₁ ${num(place[0])}, x₂ ${num(place[1])}`,
  chooseFirst: `choose the right answer first`,
  cursor: (column, row, drawing) => `column ${column}, row ${row}${drawing ? ", drawing" : ""}`,
  pen: (isDown) => (isDown ? "pen down" : "pen up"),
};

// Training

const TRAINING = {
  phase: { noise: "noise", stuck: "stuck", training: "training", paused: "paused" },
  early: () =>
    POINTS
      ? say`The first 80 steps are shown one by one. Watch the line: at first it is almost straight.`
      : say`The first 80 steps are shown one by one. Watch the noise: strokes appear where ${isDigits() ? "digits" : "images"} differ.`,
  start: (images, heart) =>
    say`${SIZES[0]} × ${SIZES[1]} first weights of pure noise, and ${count(images)} ${ITEM}s to learn from${heart ? ", each with a label drawn at random" : ""}. Press Play: every step looks at a few of them and moves ${movers()} a little downhill.`,
  dead: (length, rate) =>
    say`Dead: every output answers 0 to every ${ITEM}, which costs ${bold(plain(DATA.marks.none ?? DATA.marks.even))}. There the activation is flat, so the gradient is only ${bold(num(length, 2))} long, and hardly anything moves. The rate was too large; try ${rate} with new noise.`,
  stuck: (cost, length, rate) =>
    say`Stuck at a cost of ${bold(num(cost))}: the same answer to every ${ITEM}, and the gradient is only ${bold(num(length, 2))} long. The rate was too large; try ${rate} with new noise.`,
  lost: (rate) =>
    say`The numbers grew until they were none: the cost is ${bold("NaN")}. The rate was too large; try ${rate} with new noise.`,
  plateau: (step, cost, crawls) =>
    say`Step ${count(step)}: the cost is ${bold(num(cost))}. At ${plain(DATA.marks.even)} the network has learned only that each ${thing()} is there one time in ${spelled(CLASSES)}. ${crawls ? "At this rate it crawls." : "Be patient, this is a plateau."}`,
  learns: (step, epochs, cost, share, heart) =>
    say`Step ${count(step)}, each ${ITEM} seen ${epochs.toFixed(1)} times: the cost is down to ${bold(num(cost))}, and ${bold(percent(share))} of ${count(MEASURED)} ${ITEM}s that it never learns from are right${heart ? `: with only ${count(LABELS.length - MEASURED)} ${ITEM}s it learns them by heart` : ""}.`,
  heart: (step, epochs, known, share) =>
    say`The labels are shuffled. Step ${count(step)}, each ${ITEM} seen ${epochs.toFixed(1)} times: it knows ${bold(percent(known))} of its own ${ITEM}s by heart, and of others ${bold(percent(share))}, as by guessing. It learns slower: ${POINTS ? "no place" : "no stroke"} says what the label is.`,
  even: (v) => `${plain(v)}: the same for all`,
  none: (v) => `${plain(v)}: all outputs 0`,
  guess: () => `${percent(1 / CLASSES, 0)}: guessing`,
  trained: () => "the trained weights",
  known: "its own",
  others: "others",
  ends: (share, kind) =>
    kind === "Sigmoid" || kind === "Tanh" || kind === ""
      ? `${percent(share, 0)} at the ends`
      : `${percent(share, 0)} are 0`,
  aria: {
    cost: (cost, step) => `cost ${cost === null ? "not yet known" : num(cost)} after ${step} steps`,
    right: (share, step) => `${percent(share)} right after ${step} steps`,
    gradient: (length) =>
      `length of the gradient ${length === null ? "not yet known" : num(length, 2)}`,
    answers: (l, ends) => `${layerName(l)}: ${ends}`,
  },
};

// The lens

const LENS = {
  weights: (most) => `its ${PIXELS} weights, ±${num(most, 2)}`,
  nudges: (v) => `their nudges: the image × ${signed(v, 2)}`,
  pushes: (sum) => `weight × pixel, adds up to ${signed(sum, 3)}`,
  nothing: "× an empty image: nothing",
  fieldAria: "what it answers all over the plane, as a picture",
  field: (l, v) =>
    `what ${l === DEPTH ? "it" : "this neuron"} answers all over${v === null ? "" : `, here ${two(v)}`}`,
  weightsAria: `its ${PIXELS} weights as a picture`,
  nudgesAria: "the nudges of its weights as a picture",
  pushesAria: "weight times pixel as a picture",
  head: (l, back) =>
    `${l === 1 ? (POINTS ? "feature" : "pixel") : `activation in layer ${l - 1}`} × ${back ? "−∂C/∂z = nudge of the weight" : "weight = push"}`,
  more: (n) => `${n} more`,
  bias: "bias",
  total: "z, their sum",
  curve: (kind, z, v) => `the ${kind} of ${num(z)} is ${two(v)}`,
  share: (v) => say`As a share of all outputs, e to the z over their sum: ${bold(two(v))}.`,
  flat: (slope) => `flat there: slope ${num(slope, 1)}`,
  wantsOutput: (v, y, g) =>
    [
      SQUARED
        ? say`It is ${two(v)} and should be ${y}, so ∂C/∂a = 2 (a − y) = ${bold(signed(g, 3))}: the cost wants it `
        : say`Its share is ${two(v)} and should be ${y}, so ∂C/∂z = p − y = ${bold(signed(g, 3))}: the cost wants it `,
      bold(direction(g), tone(-g)),
    ].flat(),
  wantsHidden: (n, parts, g) => [
    ...say`${n} wishes, each through its weight: ∂C/∂a = ${parts.map(([w, d]) => `(${signed(w, 2)})(${signed(d, 2)})`).join(" + ")}${n > parts.length ? ` + ${n - parts.length} more` : ""} = ${bold(signed(g, 3))}, so `,
    bold(direction(g), tone(-g)),
  ],
  whichBias: (v) => `Its bias, ${signed(v, 4)}`,
  whichWeight: (l, i, v) =>
    `From ${sourceName(l, i)}${l > 1 ? ` of ${layerName(l - 1)}` : ""}; the weight is ${signed(v, 4)}`,
  address: (l, j, i) => `model[${LAYERS[l].place}].${i < 0 ? `bias[${j}]` : `weight[${j}, ${i}]`}`,
  upstream: "upstream",
  local: "local",
  nudge: (g) => (g ? `nudge it ${direction(g)}` : "no nudge"),
  tried: (slope, agrees) => `Tried out, w ± 0.001: ΔC/Δw = ${num(slope, 4)}${agrees ? " ✓" : ""}`,
  moves: (rate, from, to) =>
    `One step, η = ${num(rate, 2)}: w goes ${signed(from, 4)} → ${signed(to, 4)}`,
};

// The dock

const DOCK = {
  sizes: (l) => [`${count(SIZES[l - 1])} × ${SIZES[l]} weights`, `+ ${SIZES[l]} biases`],
  part: (k, v, y, c, digits) =>
    SQUARED
      ? say`${outputName(k)}: (${two(v)} − ${y})² = ${bold(c.toFixed(digits))}`
      : say`${outputName(k)}: −ln ${num(v, 3)} = ${bold(c.toFixed(digits))}`,
  others: (n, sum, digits) => say`the other ${spelled(n)}: ${bold(sum.toFixed(digits))}`,
  sum: (cost) => say`C = ${bold(costText(cost))}`,
  marks: {
    average: "average after training",
    even: () =>
      SQUARED ? `${plain(1 / CLASSES)} for every ${thing()}` : `the same for every ${thing()}`,
    none: () => `0 for every ${thing()}`,
  },
  barAria: (cost) =>
    `cost ${num(cost)}; ${num(DATA.marks.average)} is the average after training, ${num(DATA.marks.even)} that of the same answer for every ${thing()}`,
  known: (n) => `${count(n)} of ${count(TOTAL)} known`,
  zeros: (n) => `${count(n)} are 0`,
  unknown: "No weight has one yet: first the outputs have to know what they want.",
  rank: (k, place, v) =>
    say`${bold(`No. ${count(k + 1)}`)} ${place.i < 0 ? "bias of " : `${sourceName(place.l, place.i)} → `}${targetName(place.l, place.j)}: ${bold(`${signed(v, 3)} ${arrow(v)}`, tone(v))}`,
  counts: (ratio, nth, first, share) =>
    `${ratio < 1e5 ? `It counts ${num(ratio, 2)} × No. ${count(nth)}. ` : ""}First ${first}: ${percent(share, 0)} of the length.`,
};
