// Numbers as they are printed, and what is computed about lists of them.

const clamp = (v, low = 0, high = 1) => Math.min(Math.max(v, low), high);
const mix = (from, to, share) => from + (to - from) * share;
const count = (n) => n.toLocaleString("en");
const minus = (text) => text.replace("-", "−");
const two = (v) => (v > 0 && v < 0.005 ? "0.00" : minus(v.toFixed(2)));
const arrow = (v) => (v > 0 ? "↑" : "↓");
const tone = (v) => (v < 0 ? "negative" : "positive");

// So many significant digits; below 0.0001 as 5·10⁻⁶
function num(v, digits = 3) {
  if (v === 0 || !Number.isFinite(v)) return minus(String(v));
  const size = Math.abs(v);
  if (size < 1e-4 || size >= 1e6) {
    const [mantissa, exponent] = v.toExponential(Math.max(digits - 2, 0)).split("e");
    const raised = [...String(+exponent)].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻").join("");
    return `${minus(mantissa)}·10${raised}`;
  }
  if (size >= 1000) return minus(Math.round(v).toLocaleString("en"));
  return minus(v.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size)))));
}

// A number that stands for itself: 0.9, not 0.900
const plain = (v, digits = 2) => minus(String(+v.toPrecision(digits)));
const signed = (v, digits) => (v > 0 ? "+" : "") + num(v, digits);

// A push or a nudge, in a column of them
function short(v) {
  const size = Math.abs(v);
  if (size >= 0.01 || v === 0) return signed(v, 3);
  return signed(v, size >= 0.00095 || size < 1e-5 ? 2 : 1);
}

// A weight in a product
function factor(v) {
  if (Math.abs(v) < 0.0095) return short(v);
  return (v > 0 ? "+" : "") + minus(v.toFixed(Math.abs(v) < 1 ? 3 : 2));
}

const costText = (v) => (v >= 0.01 || !Number.isFinite(v) ? num(v) : v.toFixed(4));
const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

const best = (values) => values.reduce((most, v, i) => (v > values[most] ? i : most), 0);
const norm = (values) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));
const ranked = (values) => [...values.keys()].sort((p, q) => values[q] - values[p]);

function largest(values, from = 0, to = values.length) {
  let most = 0;
  for (let i = from; i < to; i++) most = Math.max(most, Math.abs(values[i]));
  return most || 1e-30;
}

// Strongest first; equal ones in a scattered order, or they would all come from the top row
const scatter = (i) => (i * 2654435761) >>> 0;
function byStrength(p, q) {
  const order = Math.fround(Math.abs(q.v)) - Math.fround(Math.abs(p.v));
  return order || scatter(p.i) - scatter(q.i);
}

// Random numbers from a seed: the same seed, the same noise
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function gauss(random) {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}

function shuffle(list, random) {
  for (let k = list.length - 1; k > 0; k--) {
    const other = Math.floor(random() * (k + 1));
    [list[k], list[other]] = [list[other], list[k]];
  }
  return list;
}
