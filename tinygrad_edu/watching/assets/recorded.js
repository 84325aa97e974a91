// A run as the page has it: maps unpacked to bytes, and what is looked up in it.

const LOST = -128; // the byte of a cell that is not a number
const COLUMNS = {
  value: "weight",
  gradient: "∂loss/∂weight",
  output: "output",
  backward: "∂loss/∂output",
};
const OWN_SCALE = new Set(["gradient", "backward", "update"]); // these span decades: each frame has a scale of its own

async function unpack(run) {
  const frames = run.frames.step.length;
  await Promise.all(
    Object.entries(run.maps).map(async ([key, map]) => {
      const bytes = await inflate(map.data),
        cells = cellsOf(map.shape);
      if (map.delta) for (let i = cells; i < bytes.length; i++) bytes[i] += bytes[i - cells];
      Object.assign(map, {
        cells,
        kind: kindOf(key),
        numbers: new Int8Array(bytes.buffer, bytes.byteOffset, frames * cells),
        data: null,
      });
      setCommonScale(map);
    }),
  );
  if (run.images) run.images.bytes = await inflate(run.images.data);
  return run;
}

async function inflate(text) {
  const stream = new Blob([fromBase64(text)])
    .stream()
    .pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const cellsOf = (shape) => shape.reduce((a, b) => a * b, 1);
const kindOf = (key) => key.split("|")[1] ?? key;

// One scale for the run, so that growth is seen; no longer than twice what is usual, or an explosion would make all else white
function setCommonScale(map) {
  const known = map.greatest.filter((x) => typeof x === "number" && x > 0).sort((a, b) => a - b);
  map.common = known.length ? Math.min(known.at(-1), 2 * known[known.length >> 1]) : 1;
}

// --- looked up

const isThere = (map, f) => map?.exponents[f] != null;
const scaleOf = (map, f) => (OWN_SCALE.has(map.kind) ? map.greatest[f] : map.common);
const shadeOf = (map, f) => 2 ** (map.exponents[f] ?? 0) / map.shades;
const at = (series, f) => series?.[f] ?? null;
const mapOf = (run, place, what) => run.maps[`${place}|${what}`];

// A frame's cell ↦ its number
function cellReader(map, f) {
  const start = f * map.cells,
    shade = shadeOf(map, f),
    numbers = map.numbers;
  return (i) => (numbers[start + i] === LOST ? NaN : numbers[start + i] * shade);
}

function isLost(map, f) {
  // not one number is left
  for (let i = f * map.cells; i < (f + 1) * map.cells; i++)
    if (map.numbers[i] !== LOST) return false;
  return true;
}

const lastFrame = (run) => run.frames.step.length - 1;

function frameAt(run, step) {
  // the last that is no later
  let f = 0;
  while (f < lastFrame(run) && run.frames.step[f + 1] <= step) f++;
  return f;
}

function nearestFrame(run, step) {
  return run.frames.step.reduce(
    (best, s, i, all) => (Math.abs(s - step) < Math.abs(all[best] - step) ? i : best),
    0,
  );
}

function curveAt(curve, step) {
  if (!curve?.step.length) return null;
  let i = -1;
  while (i + 1 < curve.step.length && curve.step[i + 1] <= step) i++;
  return i < 0 ? null : curve.mean[i];
}

const isBroken = (curve, step) => curve?.broken != null && curve.broken <= step;

// What stands out at a step, the gravest first
function findingsAt(run, step) {
  const open = run.findings.filter((found) => found.from <= step && step <= found.to);
  return open
    .map((found) => {
      const [, weight, text] = found.texts.filter(([from]) => from <= step).at(-1);
      return { ...found, weight, text };
    })
    .sort((a, b) => b.weight - a.weight);
}

const signOf = (weight) => (weight > 2 ? "✕" : weight > 1 ? "▲" : "●");
const rowOf = (run, id) => run.rows.find((row) => row.id === id);
const isBias = (name) => /(^|\.)(\w*bias\w*|b)$/.test(name);
const lastPart = (name) => name.split(".").at(-1);
const weightOf = (row) => row.parameters.find((name) => !isBias(name)) ?? row.parameters[0];

function rowTitle(row) {
  if (row.role === "output") return "loss";
  if (row.role === "operation")
    return /^\{\} \S+ \{\}$/.test(row.symbol) ? row.symbol.replaceAll("{}", "").trim() : row.kind;
  return row.role === "module"
    ? `${row.name}  ${row.kind}${row.times > 1 ? ` × ${row.times}` : ""}`
    : row.name;
}

// An operation that has parameters or units is shown like a Module; another is one line
const isFull = (row) => row.role === "module" || (row.role === "operation" && !row.line);

// --- one more frame of a run that goes on: maps are [shape, exponent, greatest, bytes]

const MOST_FRAMES = 300; // of a run that goes on: then that one goes which lies closest between its neighbours

function appendFrame(run, sent) {
  // returns the number of the frame that went
  const n = run.frames.step.length;
  run.frames.step.push(sent.step);
  run.frames.time.push(sent.time);
  run.frames.sentence.push(sent.sentence);
  for (const [key, [shape, exponent, greatest, bytes]] of Object.entries(sent.maps)) {
    const map = (run.maps[key] ??= {
      shape,
      shades: 127,
      exponents: Array(n).fill(null),
      greatest: Array(n).fill(null),
      kind: kindOf(key),
      cells: cellsOf(shape),
      numbers: new Int8Array(0),
    });
    if (String(map.shape) !== String(shape)) continue; // another graph's
    grow(map, n + 1);
    const numbers = new Int8Array(bytes.buffer, bytes.byteOffset, map.cells); // sent with 127 shades to each side, kept with fewer
    for (let i = 0; i < map.cells; i++)
      map.numbers[n * map.cells + i] =
        numbers[i] === LOST ? LOST : Math.round((numbers[i] * map.shades) / 127);
    map.exponents[n] = exponent;
    map.greatest[n] = greatest;
    setCommonScale(map);
  }
  for (const map of Object.values(run.maps))
    if (map.exponents.length <= n) {
      grow(map, n + 1);
      map.exponents[n] = map.greatest[n] = null;
    }
  for (const place of new Set([...Object.keys(run.stats), ...Object.keys(sent.stats)])) {
    const series = (run.stats[place] ??= {}),
      now = sent.stats[place] ?? {};
    for (const key of Object.keys(now)) series[key] ??= Array(n).fill(null);
    for (const key of Object.keys(series)) series[key].push(now[key] ?? null);
  }
  for (const key of ["curves", "findings", "events", "steps", "rows", "edges", "examples"])
    run[key] = sent[key];
  if (n + 1 <= MOST_FRAMES) return null;
  const gone = superfluous(run.frames.step);
  dropFrame(run, gone);
  return gone;
}

function superfluous(steps) {
  // on a scale of √step, as in pace.py
  const places = steps.map((s) => Math.sqrt(s + 1));
  let best = 1;
  for (let i = 2; i < steps.length - 2; i++)
    if (places[i + 1] - places[i - 1] < places[best + 1] - places[best - 1]) best = i;
  return best;
}

function dropFrame(run, f) {
  for (const series of Object.values(run.frames)) series.splice(f, 1);
  for (const known of Object.values(run.stats))
    for (const series of Object.values(known)) series.splice(f, 1);
  for (const map of Object.values(run.maps)) {
    map.numbers.copyWithin(f * map.cells, (f + 1) * map.cells);
    map.exponents.splice(f, 1);
    map.greatest.splice(f, 1);
  }
}

function grow(map, frames) {
  if (map.numbers.length >= frames * map.cells) return;
  const larger = new Int8Array(2 * frames * map.cells);
  larger.set(map.numbers);
  map.numbers = larger;
}
