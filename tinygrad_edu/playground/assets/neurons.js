// The neurons: discs with their activations, tiles with their weights, and the rows of outputs.

// Beside a neuron: the weights of the first layer; of all on points, their answers all over
const isTiled = (l) => (POINTS ? l < DEPTH : l === 1);

// The button of a neuron
function neuronButton(l, j) {
  const tiles = isTiled(l) ? [make("canvas", { width: SIDE, height: SIDE })] : [];
  const disc = make("span", { className: "disc" });
  const button = make("button", { className: "neuron", tabIndex: -1 }, ...tiles, disc);
  return Object.assign(button, { l, j });
}

function outputRow(k) {
  const row = make("div", { className: "out" });
  const digit = make("button", { className: "digit", textContent: NAMES[k], tabIndex: k ? -1 : 0 });
  digit.title = NAMES[k];
  digit.setAttribute("aria-label", `${NAMES[k]}: ${TEXTS()["right answer"]}`);
  digit.onclick = () => setLabel(k);
  const piece = (className, tag = "i") => make(tag, { className });
  row.append(
    neuronButton(DEPTH, k),
    digit,
    make(
      "div",
      { className: "meter" },
      piece("a", "span"),
      piece("d", "span"),
      piece("fill"),
      piece("ghost"),
      piece("want"),
    ),
    make("div", { className: "c" }, make("span"), piece("fill")),
  );
  return row;
}

function buildNetwork() {
  const net = $("net");
  if (POINTS) net.append(featureColumn(), make("span"));
  for (const l of layersFrom(1)) {
    const layer = make("div", { className: "layer", role: "group", ariaLabel: layerName(l) });
    layer.classList.toggle("first", l === 1);
    layer.classList.toggle("tiled", isTiled(l));
    layer.classList.toggle("last", l === DEPTH);
    layer.style.setProperty("--n", DRAWN[l].length);
    layer.append(...DRAWN[l].map((j) => (l === DEPTH ? outputRow(j) : neuronButton(l, j))));
    net.append(layer);
    if (l < DEPTH) net.append(make("span"));
  }
  net.querySelector(".neuron").tabIndex = 0;
  net.classList.toggle("named", !isDigits());
  const columns = layersFrom(1).map((l) => {
    if (l === DEPTH) return l === 1 ? "minmax(276px, 1fr)" : isDigits() ? "232px" : "264px";
    const width = POINTS ? "80px" : l === 1 ? "104px" : "56px";
    return `${width} ${l === DEPTH - 1 ? ".8fr" : "1fr"}`;
  });
  const rows = layersFrom(POINTS ? 0 : 1).map(() => "auto");
  if (POINTS) columns.unshift("84px 1fr");
  net.style.setProperty("--columns", columns.join(" "));
  net.style.setProperty("--rows", rows.join(" 72px "));
}

// How full a neuron is: of its own range, or of the largest in its layer
function inkOf(l, j, share) {
  if (!S.has) return C.background;
  if (l === DEPTH) return inked(answers()[j] * share);
  const v = S.seen.a[l][j];
  if (isUnit(l)) return inked(v * share);
  const most = Math.max(1, largest(S.seen.a[l]));
  return LAYERS[l].range === "positive" ? inked((v / most) * share) : coloured((v / most) * share);
}

function drawNeurons() {
  const shown = reveal();
  for (const e of all("#net .neuron")) {
    const { l, j } = e;
    e.querySelector(".disc").style.background = inkOf(l, j, shown.active[l]);
    e.setAttribute("aria-pressed", Boolean(S.pin && S.pin.l === l && S.pin.j === j));
    const wish = S.back && shown.wishes[l] === 1 ? S.back.da[l][j] : null;
    announce(e, neuronSpoken(l, j, S.has ? valueOf(l, j) : null, wish));
  }
  drawOutputs(shown);
  drawTiles(shown.nudges[1]);
}

const valueOf = (l, j) => (l === DEPTH ? answers()[j] : S.seen.a[l][j]);

function announce(element, words) {
  if (element.getAttribute("aria-label") !== words) element.setAttribute("aria-label", words);
}

function drawOutputs(shown) {
  const values = answers();
  const top = best(values);
  const { parts } = S.seen;
  const most = Math.max(1, ...parts);
  const told = S.has && S.label !== null;
  all(".out").forEach((e, k) => {
    const find = (selector) => e.querySelector(selector);
    const meter = find(".meter");
    e.classList.toggle("best", S.has && shown.active[DEPTH] === 1 && k === top);
    meter.style.setProperty("--a", (S.has ? values[k] * shown.active[DEPTH] : 0).toFixed(3));
    meter.style.setProperty("--y", S.label === k ? 1 : 0);
    find(".a").textContent = S.has && shown.active[DEPTH] > 0.5 ? two(values[k]) : "";
    if (told) e.dataset.y = S.label === k ? 1 : 0;
    else delete e.dataset.y;
    find(".c").style.setProperty("--c", told ? ((parts[k] / most) * shown.cost).toFixed(3) : 0);
    find(".c span").textContent = told && shown.cost > 0.5 ? parts[k].toFixed(3) : "";
    find(".d").textContent =
      S.back && shown.wishes[DEPTH] > 0.5 ? wishText(S.back.da[DEPTH][k]) : "";
    const ghost = find(".ghost");
    ghost.hidden = !S.before;
    if (S.before) ghost.style.setProperty("--g", S.before.answers[k].toFixed(3));
    const digit = find(".digit");
    digit.setAttribute("aria-pressed", S.label === k);
    if (S.label !== null) digit.tabIndex = S.label === k ? 0 : -1;
  });
}

const wishText = (g) => `∂ ${Math.abs(g) < 0.005 ? "0" : (g > 0 ? "+" : "") + two(g)}`;

// The tiles turn from the weights to what the cost wants of them
let tilesDrawn = "";
function drawTiles(share) {
  const seen = POINTS ? plane.version : [share.toFixed(2), S.back?.cost];
  const state = [seen, S.version, C.zero].join(" ");
  if (POINTS) drawFeatures();
  if (state === tilesDrawn) return;
  tilesDrawn = state;
  if (POINTS) {
    for (const e of all("#net .neuron canvas")) fieldTile(e, e.parentNode.l, e.parentNode.j);
    return;
  }
  const { weights } = LAYERS[1];
  for (const e of all("#net .tiled canvas")) {
    const offset = weights + PIXELS * e.parentNode.j;
    const most = largest(P, offset, offset + PIXELS);
    const nudge = (i) => {
      const v = -S.back.gradient[offset + i];
      return Math.sign(v) * loud(v);
    };
    tile(e, (i) => {
      const weight = lifted(P[offset + i] / most);
      return S.back && share ? mix(weight, nudge(i), share) : weight;
    });
  }
}
