// Pointers and keys.

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function handled(event) {
  event.preventDefault();
  event.stopPropagation();
}

function wirePad() {
  if (POINTS) {
    wirePlane();
    return;
  }
  const pad = $("pad");
  const spot = (event) => {
    const box = pad.getBoundingClientRect();
    const share = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return share.map((v) => v * SIDE);
  };
  let at = null;
  pad.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pad.setPointerCapture(event.pointerId);
    D.keyed = false;
    pad.classList.add("mouse");
    at = spot(event);
    startStroke(at);
    pad.focus({ preventScroll: true });
  });
  pad.addEventListener("pointermove", (event) => {
    if (!at) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const each of between.length ? between : [event]) {
      const p = spot(each);
      if (Math.hypot(p[0] - at[0], p[1] - at[1]) < 0.25) continue;
      moveStroke(p, at);
      at = p;
    }
    tellReading();
  });
  for (const type of ["pointerup", "pointercancel"]) {
    pad.addEventListener(type, () => {
      if (at) endStroke();
      at = null;
    });
  }
  pad.addEventListener("keydown", padKey);
  pad.addEventListener("keyup", (event) => {
    if (event.key === "Shift" && D.live && !D.pen && D.keyed) endStroke();
  });
  pad.addEventListener("focus", drawPad);
  pad.addEventListener("blur", () => {
    pad.classList.remove("mouse");
    if (D.keyed) {
      D.keyed = D.pen = D.live = false;
      glide();
    }
    drawPad();
  });
  $("clear").onclick = clearPad;
  $("noise").onclick = showNoise;
  $("eraser").onclick = () => {
    D.eraser = !D.eraser;
    $("eraser").setAttribute("aria-pressed", D.eraser);
  };
}

const cursorPoint = () => D.cursor.map((v) => v + 0.5);

function padKey(event) {
  $("pad").classList.remove("mouse");
  const key = event.key.toLowerCase();
  if (MOVES[event.key]) moveCursor(MOVES[event.key], event.shiftKey || D.pen);
  else if (key === " ") togglePen();
  else if (key === "enter") {
    D.pen = D.live = D.keyed = false;
    glide();
    tell();
  } else if (key === "backspace") {
    D.strokes.pop();
    D.live = D.pen = false;
    seeDrawing();
    tell();
  } else if (key === "delete") clearPad();
  else if (key === "e") $("eraser").click();
  else return;
  handled(event);
}

function moveCursor(step, drawing) {
  D.keyed = true;
  const from = cursorPoint();
  if (drawing && !D.live) startStroke(from);
  D.cursor = D.cursor.map((v, axis) => clamp(v + step[axis], 0, SIDE - 1));
  if (drawing) moveStroke(cursorPoint(), from);
  else {
    if (D.live) endStroke();
    drawPad();
  }
  whisper(WHISPERS.cursor(D.cursor[0] + 1, D.cursor[1] + 1, drawing));
}

function togglePen() {
  D.keyed = true;
  D.pen = !D.pen;
  if (D.pen) startStroke(cursorPoint());
  else endStroke();
  drawPad();
  whisper(WHISPERS.pen(D.pen));
}

function wireNetwork() {
  const net = $("net");
  const neuron = (event) => event.target.closest?.(".neuron");
  net.addEventListener("pointerover", (event) => {
    const e = neuron(event);
    if (!e || event.pointerType !== "mouse") return;
    const kept = S.pin && S.pin.l === e.l && S.pin.j === e.j;
    choose(e.l, e.j, { weight: kept ? S.weight : null });
  });
  const leave = () => {
    S.hover = null;
    paint();
    drawLens();
  };
  net.addEventListener("pointerout", (event) => {
    if (neuron(event) && event.pointerType === "mouse") leave();
  });
  net.addEventListener("focusin", (event) => {
    const e = neuron(event);
    if (e?.matches(":focus-visible")) choose(e.l, e.j);
  });
  net.addEventListener("focusout", (event) => {
    if (neuron(event)) leave();
  });
  net.addEventListener("click", (event) => {
    const e = neuron(event);
    if (e) choose(e.l, e.j, { pin: true });
  });
  net.addEventListener("keydown", networkKey);
}

// Arrow keys: along a layer, and across to the next
function networkKey(event) {
  const [along, across] = G.vertical
    ? [
        { ArrowLeft: -1, ArrowRight: 1 },
        { ArrowUp: -1, ArrowDown: 1 },
      ]
    : [
        { ArrowUp: -1, ArrowDown: 1 },
        { ArrowLeft: -1, ArrowRight: 1 },
      ];
  const digit = event.target.closest(".digit");
  if (digit && along[event.key]) {
    const digits = all(".digit");
    digits[(digits.indexOf(digit) + along[event.key] + CLASSES) % CLASSES].focus();
    handled(event);
    return;
  }
  const e = event.target.closest(".neuron");
  if (!e) return;
  if (event.key === "Escape") {
    S.pin = S.soft = S.weight = null;
    paint();
    drawLens();
    return;
  }
  if (!along[event.key] && !across[event.key]) return;
  handled(event);
  const at = DRAWN[e.l].indexOf(e.j);
  const l = clamp(e.l + (across[event.key] ?? 0), 1, DEPTH);
  const share = at / Math.max(DRAWN[e.l].length - 1, 1);
  const to = along[event.key] ? at + along[event.key] : Math.round(share * (DRAWN[l].length - 1));
  const j = DRAWN[l][clamp(to, 0, DRAWN[l].length - 1)];
  focusNeuron(l, j);
  choose(l, j);
}

function focusNeuron(l, j) {
  for (const e of all("#net .neuron")) {
    e.tabIndex = e.l === l && e.j === j ? 0 : -1;
    if (!e.tabIndex) e.focus();
  }
}

function wireLens() {
  const turn = (by) => {
    const chosen = selected();
    if (!chosen) return;
    const drawn = DRAWN[chosen.l];
    const at = drawn.indexOf(chosen.j) + by + drawn.length;
    choose(chosen.l, drawn[at % drawn.length]);
    S.pin = S.hover;
    S.hover = null;
    refresh();
    whisper($("who").textContent);
  };
  $("up").onclick = () => turn(-1);
  $("down").onclick = () => turn(1);
  $("close").onclick = () => {
    S.pin = S.hover = S.soft = S.weight = null;
    refresh();
  };
  for (let k = 0; k < 20; k++) {
    const cell = (className) => make("span", { className });
    const bar = make("span", { className: "bar" }, make("i"));
    const term = make(
      "button",
      { className: "term" },
      cell("from"),
      cell("calc"),
      cell("val"),
      bar,
    );
    term.onclick = () => {
      if (!term.weight) return;
      S.pin = selected();
      S.weight = term.weight;
      refresh();
      whisper($("which").textContent);
    };
    $("terms").append(make("li", {}, term));
  }
  $("tab-numbers").onclick = () => lensTab(false);
  $("tab-program").onclick = () => lensTab(true);
  $("in-numpy").onclick = () => wordsOf(false);
  $("in-javascript").onclick = () => wordsOf(true);
}

function wireTrack() {
  const track = $("track");
  let drag = false;
  const scrub = (event) => {
    S.playing = false;
    S.goal = S.t = nearestOnTrack(event);
    if (S.t > COST) {
      S.dock = "learn";
      S.before = null;
    }
    S.known = null;
    refresh();
    tell(S.t);
  };
  track.addEventListener("pointerdown", (event) => {
    drag = true;
    track.setPointerCapture(event.pointerId);
    scrub(event);
  });
  track.addEventListener("pointermove", (event) => {
    if (drag) scrub(event);
  });
  track.addEventListener("pointerup", () => {
    if (drag) go(Math.round(S.t));
    drag = false;
  });
  track.addEventListener("keydown", (event) => {
    const at = Math.round(S.goal);
    const to = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1 };
    const stop = { ...to, Home: 0, End: LAST }[event.key];
    if (stop === undefined) return;
    handled(event);
    jumpTo(stop, Math.abs(stop - S.t) > 1.01);
  });
}

function wireDock() {
  const bars = $("bars");
  const at = (event) => {
    const box = bars.getBoundingClientRect();
    return rankAt(event.clientX - box.left, box.width);
  };
  bars.addEventListener("pointerdown", (event) => {
    bars.setPointerCapture(event.pointerId);
    showRank(at(event));
  });
  bars.addEventListener("pointermove", (event) => {
    if (bars.hasPointerCapture(event.pointerId)) showRank(at(event));
  });
  bars.addEventListener("focus", () => {
    if (!S.weight) showRank(S.rank);
  });
  bars.addEventListener("keydown", (event) => {
    const [next, previous] = [S.rank + 1, S.rank - 1];
    const to = {
      ArrowRight: next,
      ArrowDown: next,
      ArrowLeft: previous,
      ArrowUp: previous,
      PageDown: 2 * S.rank + 1,
      PageUp: Math.floor((S.rank - 1) / 2),
      Home: 0,
      End: TOTAL,
    }[event.key];
    if (to === undefined) return;
    handled(event);
    showRank(to);
  });
  $("step1").onclick = () => takeSteps(1);
  $("step10").onclick = () => takeSteps(10);
  $("stepall").onclick = () => takeSteps(10, true);
  $("undo").onclick = undo;
  $("rate").oninput = () => {
    drawStep();
    drawLens();
  };
}

function wireSheet() {
  const buttons = Array.from({ length: PICKED }, (_, i) => {
    const button = make("button", { tabIndex: i ? -1 : 0 });
    button.append(make("canvas", { width: SIDE, height: SIDE }));
    button.onclick = () => {
      if (S.view === "train") return;
      rove(buttons, i);
      pick(i);
    };
    return button;
  });
  $("thumbs").append(...buttons);
  $("thumbs").addEventListener("keydown", (event) => {
    const at = buttons.indexOf(document.activeElement);
    const steps = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: 10,
      ArrowUp: -10,
      Home: -at,
      End: PICKED,
    };
    if (!(event.key in steps) || at < 0) return;
    handled(event);
    const to = clamp(at + steps[event.key], 0, PICKED - 1);
    rove(buttons, to);
    buttons[to].focus();
  });
}

const rove = (list, at) =>
  list.forEach((e, k) => {
    e.tabIndex = k === at ? 0 : -1;
  });

// An edge under the mouse tells its numbers; a click keeps it

function wireEdges() {
  const main = $("one");
  const tip = $("tip");
  const taken = "button, #pad, #track, #dock, #lens, #left, #lab";
  main.addEventListener("pointermove", (event) => {
    const free = event.pointerType === "mouse" && S.view === "one" && !event.target.closest(taken);
    const edge = free ? edgeNear(event) : null;
    tip.hidden = !edge;
    main.style.cursor = edge ? "pointer" : "";
    if (!edge) return;
    const index = indexOf(edge);
    const push = () => pushTip(S.has ? S.seen.a[edge.l - 1][edge.i] : null, P[index]);
    const nudge = S.t > COST && S.back;
    tip.textContent = edgeTip(edge, nudge ? nudgeTip(-S.back.gradient[index]) : push());
    const origin = main.getBoundingClientRect();
    tip.style.left = `${clamp(event.clientX - origin.left + 12, 0, origin.width - 230)}px`;
    tip.style.top = `${event.clientY - origin.top + 14}px`;
  });
  main.addEventListener("pointerleave", () => {
    tip.hidden = true;
  });
  $("middle").addEventListener("click", (event) => {
    if (event.target.closest("button, #track, #dock")) return;
    const edge = edgeNear(event);
    if (!edge) return;
    const { l, j, i } = edge;
    Object.assign(S, { pin: { l, j }, hover: null, weight: { l, j, i } });
    refresh();
  });
}

function wireTraining() {
  $("play").onclick = togglePlay;
  $("single").onclick = oneTrainingStep;
  $("new-noise").onclick = restart;
  $("rate2").oninput = $("batch").oninput = drawTraining;
  $("adopt").onclick = adopt;
  $("shuffled").onchange = () => {
    T.shuffled = $("shuffled").checked;
    restart();
  };
}

// Tabs: a click, or the arrow keys
function wireTabs(first, second) {
  for (const [tab, other] of [
    [first, second],
    [second, first],
  ]) {
    $(tab).addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      handled(event);
      $(other).click();
      $(other).focus();
    });
  }
}

function wireKeys() {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    const key = event.key.toLowerCase();
    if (S.view === "train") {
      if (key === "p") togglePlay();
      return;
    }
    if (/^[0-9]$/.test(key)) setLabel(+key);
    else if (key === "b" && S.label !== null && S.has) runBackward();
    else if (key === "s" && S.back) takeSteps(1);
    else if (key === "u") undo();
    else return;
    event.preventDefault();
  });
}

function wireTheme() {
  const dark = () => getComputedStyle(document.documentElement).colorScheme === "dark";
  const rename = () => announce($("theme"), TEXTS()[dark() ? "to light" : "to dark"]);
  rename();
  $("theme").onclick = () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    rename();
    repaint();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
}

function wire() {
  wirePad();
  wireNetwork();
  wireLens();
  wireTrack();
  wireDock();
  wireEdges();
  wireTraining();
  wireKeys();
  wireTheme();
  $("tab-one").onclick = () => show("one");
  $("tab-train").onclick = () => show("train");
  wireTabs("tab-one", "tab-train");
  wireTabs("tab-numbers", "tab-program");
  const resized = () => {
    measure();
    if (S.view === "train") drawTraining();
    else refresh();
  };
  new ResizeObserver(resized).observe($("one"));
}
