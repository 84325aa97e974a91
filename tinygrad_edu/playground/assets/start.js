// The beginning: words into the page, the network built, the images unpacked.

function putTexts() {
  const words = TEXTS();
  for (const e of all("[data-say]")) e.textContent = words[e.dataset.say];
  for (const e of all("[data-name]")) e.setAttribute("aria-label", words[e.dataset.name]);
  for (const e of all("[data-hint]")) e.title = words[e.dataset.hint];
  $("pad").setAttribute("aria-roledescription", words["drawing square"]);
  for (const e of all(".for-points")) e.hidden = !POINTS;
  for (const e of all(".for-images")) e.hidden = POINTS;
  document.body.classList.toggle("on-points", POINTS);
}

function drawThumb(canvas, i) {
  if (!POINTS) {
    pixels(canvas, X, PIXELS * i);
    return;
  }
  const g = canvas.getContext("2d");
  g.clearRect(0, 0, SIDE, SIDE);
  drawMark(g, LABELS[i], SIDE / 2, SIDE / 2, SIDE / 4);
}

function repaint() {
  readPalette();
  all("#thumbs canvas").forEach(drawThumb);
  if (S.view === "train") drawTraining();
  else refresh();
}

async function start() {
  if (POINTS) unpackPoints();
  else await unpackImages();
  P.set(TRAINED);
  readPalette();
  putTexts();
  $("track").setAttribute("aria-valuemax", LAST);
  buildNetwork();
  buildDock();
  buildProgram();
  buildCharts();
  wireSheet();
  readSheet();
  S.base.set(S.reads);
  compute();
  measure();
  wire();
  repaint();
  show("one");
  openAddress();
  document.body.dataset.ready = "";
}

start();
