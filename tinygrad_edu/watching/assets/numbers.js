// Numbers as they are written: three digits, a true minus, 1e−5 for what is tiny or huge.

const minus = (text) => text.replaceAll("-", "−");

function brief(x, digits = 3) {
  if (x === null || x === undefined) return "–";
  if (typeof x === "string") return minus(x).replace("inf", "∞");
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e5 || size < 1e-3) return power(x, digits > 2 ? 1 : 0);
  if (size >= 1000) return minus(whole(x));
  return minus(Number(x.toPrecision(digits)).toString());
}

function power(x, digits = 0) {
  if (x === 0) return "0";
  const [mantissa, exponent] = x.toExponential(digits).split("e");
  return minus(`${mantissa}e${Number(exponent)}`);
}

const whole = (x) => Math.round(x).toLocaleString("en");
const percent = (x) =>
  typeof x === "number" ? `${(100 * x).toFixed(x > 0.995 && x < 1 ? 2 : 1)} %` : brief(x);
const shapeText = (shape) => `(${shape.join(", ")})`;

function counted(n) {
  if (n < 1e4) return whole(n);
  return n < 1e6 ? `${(n / 1e3).toPrecision(3)}K` : `${(n / 1e6).toPrecision(3)}M`;
}
