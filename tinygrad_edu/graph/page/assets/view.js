// The view: the picture is moved and scaled as a whole, so that moving it costs no layout.
const stage = document.getElementById("stage"),
  canvas = document.getElementById("canvas");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const view = { x: 0, y: 0, scale: 1, width: 1, height: 1 };
const LEAST = 0.01,
  GREATEST = 8,
  MARGIN = 14;
let settled = null,
  asked = false;

function moving() {
  stage.classList.add("moving");
  clearTimeout(settled);
  settled = setTimeout(() => stage.classList.remove("moving"), 180);
}

function draw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    canvas.style.transform = `translate(${view.x}px,${view.y}px) scale(${view.scale})`;
  });
}

function panBy(x, y) {
  moving();
  view.x += x;
  view.y += y;
  draw();
}

// Zoom about a point of the stage, which stays where it is
function zoomBy(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const scale = Math.min(Math.max(view.scale * factor, LEAST), GREATEST);
  const change = scale / view.scale;
  moving();
  view.x = x - (x - view.x) * change;
  view.y = y - (y - view.y) * change;
  view.scale = scale;
  draw();
}

function fit() {
  const across = (stage.clientWidth - 2 * MARGIN) / view.width,
    down = (stage.clientHeight - 2 * MARGIN) / view.height;
  view.scale = Math.min(across, down, 1.6);
  view.x = (stage.clientWidth - view.width * view.scale) / 2;
  view.y = Math.max((stage.clientHeight - view.height * view.scale) / 2, MARGIN);
  draw();
}

// At the start a tall picture shows its top at a size that can be read
function begin() {
  fit();
  const readable = Math.min((stage.clientWidth - 2 * MARGIN) / view.width, 1);
  if (view.scale >= 0.5 || readable < 0.5) return;
  view.scale = readable;
  view.x = (stage.clientWidth - view.width * readable) / 2;
  view.y = MARGIN;
  draw();
}

// Bring a box of the picture, in its own units, into the middle if it is not in sight
function reveal(box, always = false) {
  const left = view.x + box.x * view.scale,
    top = view.y + box.y * view.scale;
  const right = left + box.width * view.scale,
    bottom = top + box.height * view.scale;
  const seen = left >= 0 && top >= 0 && right <= stage.clientWidth && bottom <= stage.clientHeight;
  if (view.scale < 0.45) view.scale = Math.min(0.9, stage.clientWidth / (box.width + 40), 0.9);
  else if (seen && !always) return;
  view.x = stage.clientWidth / 2 - (box.x + box.width / 2) * view.scale;
  view.y =
    stage.clientHeight / 2 -
    (box.y + Math.min(box.height / 2, stage.clientHeight / 2 / view.scale - MARGIN)) * view.scale;
  draw();
}

const pointers = new Map();
let dragged = 0;

stage.addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, event);
  dragged = 0;
});
addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const [one, other] = [...pointers.values()];
  pointers.set(event.pointerId, event);
  dragged += Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY);
  if (!other) return panBy(event.clientX - before.clientX, event.clientY - before.clientY);
  const still = one.pointerId === event.pointerId ? other : one,
    frame = stage.getBoundingClientRect();
  const apart = (end) => Math.hypot(end.clientX - still.clientX, end.clientY - still.clientY) || 1;
  zoomBy(
    apart(event) / apart(before),
    (event.clientX + still.clientX) / 2 - frame.left,
    (event.clientY + still.clientY) / 2 - frame.top,
  );
});
for (const ended of ["pointerup", "pointercancel"])
  addEventListener(ended, (event) => pointers.delete(event.pointerId));
stage.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    const frame = stage.getBoundingClientRect(),
      lines = event.deltaMode === 1 ? 18 : 1;
    if (event.ctrlKey || event.metaKey)
      return zoomBy(
        Math.exp((-event.deltaY * lines) / 240),
        event.clientX - frame.left,
        event.clientY - frame.top,
      );
    const sideways = event.shiftKey && !event.deltaX;
    panBy(-(sideways ? event.deltaY : event.deltaX) * lines, sideways ? 0 : -event.deltaY * lines);
  },
  { passive: false },
);
