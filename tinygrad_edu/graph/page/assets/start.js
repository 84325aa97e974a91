// What starts things: clicks, keys, buttons, the address.
const actions = {
  in: () => zoomBy(1.25),
  out: () => zoomBy(0.8),
  fit,
  less: () => changeLevel(-1),
  more: () => changeLevel(1),
};
for (const [id, action] of Object.entries(actions))
  document.getElementById(id).addEventListener("click", action);

stage.addEventListener("click", (event) => {
  if (dragged > 6) return;
  const box = event.target.closest(".node"),
    title = event.target.closest(".frame-title");
  if (box && (event.shiftKey || event.ctrlKey || event.metaKey)) return chooseSecond(box.id);
  if (box && isFolded(box.id)) return unfold(box.id);
  if (box) {
    choose(box.id, false);
    return box.focus({ preventScroll: true });
  }
  const frame = title && frameOf(title);
  if (frame) return foldUp(frame);
  if (!event.target.closest(".edge")) choose(null);
});

// The innermost frame that a title stands in
function frameOf(title) {
  const own = title.getBoundingClientRect(),
    x = own.left + 2,
    y = own.top + own.height / 2;
  const inside = [...canvas.querySelectorAll(".cluster")].filter((frame) => {
    const box = frame.getBoundingClientRect();
    return box.left <= x && x <= box.right && box.top <= y && y <= box.bottom;
  });
  const size = (frame) => {
    const box = frame.getBoundingClientRect();
    return box.width * box.height;
  };
  return inside.sort((a, b) => size(a) - size(b))[0]?.id;
}

// Hovering tells, and leaves what is chosen as it is
stage.addEventListener("pointerover", (event) => {
  if (pointers.size || second) return;
  const box = event.target.closest(".node"),
    edge = event.target.closest(".edge");
  if (box) return tell(box.id);
  if (!edge) return;
  const known = levels[at].edges.find((one) => one[ID] === edge.id);
  if (!known) return;
  panel.replaceChildren(element("h2", `${nameOf(known[SOURCE])} → ${nameOf(known[TARGET])}`));
  const item = element("div");
  describe(known, item);
  panel.append(item);
});
stage.addEventListener("pointerout", (event) => {
  if (second || pointers.size || event.relatedTarget?.closest?.(".node, .edge")) return;
  if (event.relatedTarget && !stage.contains(event.relatedTarget)) tell(first);
  else if (event.target.closest(".node, .edge")) tell(first);
});
stage.addEventListener("focusin", (event) => {
  const box = event.target.closest(".node");
  if (box && box.id !== first && !second && !pointers.size) choose(box.id); // by keyboard
});

const ACROSS = () => canvas.firstElementChild.getAttribute("data-direction") === "LR";
const STEP = 60;
const keys = {
  "+": actions.in,
  "=": actions.in,
  "-": actions.out,
  "−": actions.out,
  0: fit,
  "[": actions.less,
  "]": actions.more,
  Escape: () => {
    find.value = "";
    search("");
    choose(null);
  },
  Enter: () => first && toggle(first),
  " ": () => first && toggle(first),
  p: () => {
    marked = first;
    spoken.textContent = `${nameOf(first)} is the first of two: go to another, and press P again`;
  },
};
const along = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] };
let marked = null;

addEventListener("keydown", (event) => {
  const typing = event.target === find;
  if (typing && event.key === "Enter") {
    event.preventDefault();
    return nextHit(event.shiftKey ? -1 : 1);
  }
  if (typing && event.key !== "Escape") return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("button") && (event.key === "Enter" || event.key === " ")) return;
  if (event.target === panel && along[event.key]) return;
  if (event.key === "/") {
    event.preventDefault();
    return find.focus();
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "p" && marked && first && marked !== first) {
    event.preventDefault();
    const other = first;
    first = marked;
    marked = null;
    return chooseSecond(other);
  }
  if (along[key]) {
    event.preventDefault();
    const [x, y] = along[key];
    if (event.shiftKey) return panBy(-x * STEP, -y * STEP);
    const ahead = ACROSS() ? x : y,
      beside = ACROSS() ? y : x;
    return ahead ? follow(ahead > 0) : across(beside);
  }
  if (!keys[key]) return;
  event.preventDefault();
  keys[key]();
});
find.addEventListener("input", () => search(find.value));
addEventListener("hashchange", recall);
addEventListener("resize", () => {
  if (!first) begin();
});
recall();
