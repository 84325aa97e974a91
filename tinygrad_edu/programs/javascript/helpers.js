// What a program in JavaScript needs beside its loops: function.py puts these functions behind it.

// z = x @ y, of matrices (m, k) and (k, n). z0, zi and zj: where z begins in its memory, and how far
// the next row and the next column are. Four rows and two columns at a time, so that six numbers are
// read for eight products.
function product(z, z0, zi, zj, x, x0, xi, xp, y, y0, yp, yj, m, k, n) {
  let i = 0;
  for (; i + 4 <= m; i += 4) {
    let j = 0;
    for (; j + 2 <= n; j += 2) {
      let a = x0 + i * xi, b = y0 + j * yj;
      let s00 = 0, s01 = 0, s10 = 0, s11 = 0, s20 = 0, s21 = 0, s30 = 0, s31 = 0;
      for (let p = 0; p < k; p++, a += xp, b += yp) {
        const u = y[b], v = y[b + yj];
        const r0 = x[a], r1 = x[a + xi], r2 = x[a + 2 * xi], r3 = x[a + 3 * xi];
        s00 += r0 * u; s01 += r0 * v; s10 += r1 * u; s11 += r1 * v;
        s20 += r2 * u; s21 += r2 * v; s30 += r3 * u; s31 += r3 * v;
      }
      const c = z0 + i * zi + j * zj, d = c + zj;
      z[c] = s00; z[c + zi] = s10; z[c + 2 * zi] = s20; z[c + 3 * zi] = s30;
      z[d] = s01; z[d + zi] = s11; z[d + 2 * zi] = s21; z[d + 3 * zi] = s31;
    }
    for (; j < n; j++) rows(i, i + 4, j);
  }
  for (let j = 0; j < n; j++) rows(i, m, j);
  function rows(from, to, j) {
    for (let i = from; i < to; i++) {
      let a = x0 + i * xi, b = y0 + j * yj, sum = 0;
      for (let p = 0; p < k; p++, a += xp, b += yp) sum += x[a] * y[b];
      z[z0 + i * zi + j * zj] = sum;
    }
  }
}

// The numbers that were written in base64.
function numbersOf(text, Type) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Type(bytes.buffer);
}

// Φ(x), the probability that a standard normal number is below x. Near 0, 1/2 + φ(x) (x + x³/3 +
// x⁵/15 + …); in the tails φ(x) / (|x| + 1/(|x| + 2/(|x| + …))), which keeps its digits.
function normalCdf(x) {
  const size = Math.abs(x), density = Math.exp(-0.5 * x * x) * 0.3989422804014327;
  if (size < 2.5) {
    let term = x, sum = x;
    for (let n = 3; Math.abs(term) > 1e-17 * Math.abs(sum); n += 2) sum += term *= (x * x) / n;
    return 0.5 + density * sum;
  }
  if (Number.isNaN(x)) return x;
  if (size > 40) return x > 0 ? 1 : 0;
  let fraction = size;
  for (let n = 150; n > 0; n--) fraction = size + n / fraction;
  return x > 0 ? 1 - density / fraction : density / fraction;
}
