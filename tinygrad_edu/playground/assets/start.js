// The beginning: words into the page, the network built, the images unpacked.

function putTexts() {
  const words = TEXTS();
  for (const e of all("[data-say]")) e.textContent = words[e.dataset.say];
  for (const e of all("[data-name]")) e.setAttribute("aria-label", words[e.dataset.name]);
  for (const e of all("[data-hint]")) e.title = words[e.dataset.hint];
  $("pad").setAttribute("aria-roledescription", words["drawing square"]);
}

function repaint() {
  readPalette();
  all("#thumbs canvas").forEach((canvas, i) => pixels(canvas, X, PIXELS * i));
  if (S.view === "train") drawTraining();
  else refresh();
}

async function start() {
  await unpackImages();
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
