// The view of one run or several, in any element: a page's body, a notebook's cell. It only reads: nothing here reaches the program.

const HELP = [
  ["← →", "one frame back, on (Page up, down: ten)"],
  ["Home End", "first, last frame"],
  ["space", "play, pause"],
  ["↑ ↓", "a row: what the step does to it"],
  ["Esc", "back to the examples"],
  ["e", "on to where something begins to stand out"],
  ["b", "another run beside this one"],
  ["?", "this help"],
];
const SPEED = { usual: 100, calm: 700 }; // milliseconds a frame

async function mount(root, runs, options = {}) {
  for (const run of runs) await unpack(run);
  usePalette(options.stops);
  const state = {
    run: runs[0],
    other: null,
    frame: lastFrame(runs[0]),
    row: null,
    quantity: "value",
    isLive: Boolean(options.live),
    isFollowing: Boolean(options.live),
    timer: null,
  };
  const view = {
    runs,
    show,
    go,
    push,
    end,
    state,
    get run() {
      return state.run;
    },
    get other() {
      return state.other;
    },
    get frame() {
      return state.frame;
    },
    get row() {
      return state.row;
    },
    get quantity() {
      return state.quantity;
    },
    get step() {
      return state.run.frames.step[state.frame];
    },
    get otherFrame() {
      return frameAt(state.other, view.step);
    },
    get isPlaying() {
      return Boolean(state.timer);
    },
  };
  const parts = frameOfView(view, runs, { toggle, follow, help });
  root.classList.add("watching");
  root.replaceChildren(
    parts.header,
    make("main", {}, parts.side, parts.flow),
    parts.footer,
    parts.help,
  );
  (options.keys ?? root).addEventListener("keydown", (event) => pressed(event));
  let updates = [];
  build();
  return view;

  function show(change) {
    const isNew = ["run", "other", "row", "quantity"].some(
      (key) => key in change && change[key] !== state[key],
    );
    Object.assign(state, change);
    state.frame = Math.min(Math.max(state.frame, 0), lastFrame(state.run));
    if (isNew) build();
    else update();
  }
  function go(frame) {
    pause();
    state.isFollowing = state.isLive && frame >= lastFrame(state.run);
    show({ frame });
    speak();
  }
  function follow() {
    if (state.isLive) {
      pause();
      state.isFollowing = true;
      show({ frame: lastFrame(state.run) });
    }
  }
  function push(sent) {
    // a frame of a run that goes on
    const gone = appendFrame(runs[0], sent);
    if (state.run === runs[0])
      state.frame = state.isFollowing
        ? lastFrame(runs[0])
        : state.frame - Number(gone != null && gone <= state.frame && state.frame > 0);
    build();
  }
  function end() {
    state.isLive = state.isFollowing = false;
    update();
  }

  function build() {
    // all that depends on which runs are shown
    const curves = make("div", { class: "curves" }),
      below = make("div", {}),
      focused = root.contains(document.activeElement) ? document.activeElement : null,
      place = selectorOf(focused);
    if (state.row && !rowOf(state.run, state.row)) state.row = null;
    parts.side.replaceChildren(curves, below);
    updates = [
      ...addCurves(view, curves),
      ...(state.row ? addDetail(view, below) : addExamples(view, below)),
      ...addGraph(view, parts.flow),
    ];
    parts.rebuilt();
    update();
    if (focused && !root.contains(focused))
      ((place && root.querySelector(place)) || root).focus({ preventScroll: true });
  }
  function update() {
    // all that depends on the frame
    parts.updated();
    for (const part of updates) part();
  }

  function pause() {
    clearInterval(state.timer);
    state.timer = null;
    parts.playing(false);
  }
  function toggle() {
    if (state.timer) {
      pause();
      speak();
      return;
    }
    if (state.frame === lastFrame(state.run)) state.frame = 0;
    state.isFollowing = false;
    parts.playing(true);
    state.timer = setInterval(
      () => {
        if (state.frame < lastFrame(state.run)) show({ frame: state.frame + 1 });
        else {
          pause();
          speak();
        }
      },
      matchMedia("(prefers-reduced-motion: reduce)").matches ? SPEED.calm : SPEED.usual,
    );
  }
  function speak() {
    parts.spoken.textContent = `step ${whole(view.step)}. ${parts.headline.textContent}`;
  }
  function help() {
    parts.toggleHelp();
  }

  function choose(by) {
    const rows = state.run.rows.filter((row) => isFull(row)),
      i = rows.findIndex((row) => row.id === state.row);
    if (rows.length)
      show({
        row: rows[i < 0 ? (by > 0 ? 0 : rows.length - 1) : (i + by + rows.length) % rows.length].id,
      });
  }
  function nextFinding() {
    const steps = [
        ...state.run.findings.map((found) => found.from),
        ...state.run.events.map((event) => event.step),
      ].sort((a, b) => a - b),
      next = steps.find((s) => s > view.step);
    if (next != null) go(Math.max(frameAt(state.run, next), state.frame + 1));
  }
  function beside() {
    show({
      other: state.other ? null : (runs.find((run) => run !== state.run) ?? null),
      row: null,
    });
  }
  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
    if ((event.key === " " || event.key === "Enter") && event.target.closest("button")) return;
    const keys = {
      ArrowRight: () => go(state.frame + 1),
      ArrowLeft: () => go(state.frame - 1),
      PageDown: () => go(state.frame + 10),
      PageUp: () => go(state.frame - 10),
      Home: () => go(0),
      End: () => go(lastFrame(state.run)),
      " ": toggle,
      ArrowDown: () => choose(1),
      ArrowUp: () => choose(-1),
      Escape: () => {
        parts.toggleHelp(false);
        show({ row: null });
      },
      e: nextFinding,
      b: beside,
      "?": help,
    };
    if (!(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  }
}

// Where the focus was, so that it is there again once all is drawn anew
function selectorOf(element) {
  const row = element?.closest("[data-row]")?.dataset.row,
    label = element?.getAttribute("aria-label");
  return row
    ? `[data-row="${CSS.escape(row)}"] button`
    : label
      ? `[aria-label="${CSS.escape(label)}"]`
      : null;
}

// Head, sides and foot
function frameOfView(view, runs, act) {
  const { state } = view,
    title = make("h1"),
    status = make("button", { class: "state", onclick: act.follow }),
    headline = make("p", { class: "headline" }),
    spoken = make("p", { class: "hidden", "aria-live": "polite" });
  const names = runs.map((run) => run.name);
  const picked = choice("run", names, (i) =>
    view.show({
      run: runs[i],
      other: state.other === runs[i] ? null : state.other,
      frame: lastFrame(runs[i]),
      row: null,
    }),
  );
  const beside = choice("beside", ["nothing", ...names], (i) =>
    view.show({ other: i && runs[i - 1] !== state.run ? runs[i - 1] : null, row: null }),
  );
  const helper = make(
      "button",
      { "aria-expanded": "false", title: "keys and colours (?)", onclick: act.help },
      "?",
    ),
    help = helpPanel();
  const slider = make("input", {
      type: "range",
      min: 0,
      "aria-label": "frame",
      oninput: () => view.go(Number(slider.value)),
    }),
    flags = make("div", { class: "flags", "aria-hidden": "true" }),
    where = make("div", { class: "where" });
  const play = make(
    "button",
    { class: "play", "aria-pressed": "false", onclick: act.toggle },
    "Play",
  );
  const buttons = make(
    "div",
    { class: "buttons", role: "group", "aria-label": "frames" },
    iconButton("first frame", "M3 2h2v12H3zM13 2v12L6 8z", () => view.go(0)),
    iconButton("previous frame", "M12 2v12L4 8z", () => view.go(state.frame - 1)),
    play,
    iconButton("next frame", "M4 2v12l8-6z", () => view.go(state.frame + 1)),
    iconButton("last frame", "M11 2h2v12h-2zM3 2v12l7-6z", () => view.go(lastFrame(state.run))),
  );
  const toggleHelp = (isOpen = help.hidden) => {
    help.hidden = !isOpen;
    helper.setAttribute("aria-expanded", String(isOpen));
  };
  return {
    headline,
    spoken,
    help,
    toggleHelp,
    header: make(
      "header",
      {},
      make("div", { class: "what" }, title, status),
      make(
        "div",
        { class: "tools" },
        ...(runs.length > 1 ? [picked.element, beside.element] : []),
        helper,
      ),
      headline,
      spoken,
    ),
    side: make("section", { class: "side", tabindex: 0, "aria-label": "curves and examples" }),
    flow: make("section", { class: "flow", tabindex: 0, "aria-label": "computation graph" }),
    footer: make("footer", {}, buttons, make("div", { class: "track" }, flags, slider), where),
    playing(isOn) {
      play.textContent = isOn ? "Pause" : "Play";
      play.setAttribute("aria-pressed", String(isOn));
    },
    rebuilt() {
      title.textContent = state.run.name;
      picked.select.selectedIndex = runs.indexOf(state.run);
      beside.select.selectedIndex = state.other ? runs.indexOf(state.other) + 1 : 0;
      slider.max = lastFrame(state.run);
      flags.replaceChildren(...state.run.findings.map((found) => flagOf(state.run, found)));
    },
    updated() {
      const { run } = state;
      slider.value = state.frame;
      slider.setAttribute("aria-valuetext", `step ${whole(view.step)} of ${whole(run.steps)}`);
      where.replaceChildren(
        "step ",
        strong(whole(view.step)),
        ` of ${whole(run.steps)}`,
        make("span", { class: "time" }, `  ·  ${run.frames.time[state.frame].toFixed(1)} s`),
      );
      status.textContent = state.isLive
        ? state.isFollowing
          ? "live"
          : "live, looking back"
        : run.curves.loss?.broken != null
          ? "ended: NaN"
          : "recorded";
      status.setAttribute("aria-disabled", String(!state.isLive || state.isFollowing));
      status.classList.toggle("on", state.isLive && state.isFollowing);
      headline.replaceChildren(...headlineOf(view));
    },
  };
}

function flagOf(run, found) {
  // a bar above the slider, from the frame where a finding begins
  const place = (step) =>
      (100 *
        Math.max(
          run.frames.step.findIndex((s) => s >= step),
          0,
        )) /
      Math.max(lastFrame(run), 1),
    weight = Math.max(...found.texts.map(([, w]) => w));
  const flag = make("i", { class: ["", "note", "warning", "broken"][weight] });
  flag.style.left = `${place(found.from)}%`;
  flag.style.width = `${place(found.to) - place(found.from)}%`;
  return flag;
}

// One sentence: is it learning, and does anything stand out?
function headlineOf(view) {
  const { run, other } = view,
    [state, text, isWarning] = run.frames.sentence[view.frame],
    said = [strong(state), `${text} `],
    found = findingsAt(run, view.step);
  if (isWarning && isBroken(run.curves.loss, view.step))
    said.unshift(make("span", { class: "mark" }, "✕ "));
  const grave = found.filter((f) => f.weight > 1),
    names = [
      ...new Set(
        (grave.length ? grave : found)
          .map((f) => rowOf(run, f.place))
          .filter(Boolean)
          .map(rowTitle),
      ),
    ];
  const listed = names.slice(0, 3).join(", ") + (names.length > 3 ? " …" : ".");
  if (grave.length) said.push(make("span", { class: "mark" }, "▲ "), `Look at ${listed}`);
  else if (found.length) said.push(make("span", { class: "muted" }, `A note on ${listed}`));
  else if (!isWarning) said.push(make("span", { class: "muted" }, "Nothing stands out."));
  if (other) {
    const { loss, accuracy } = other.curves,
      right = curveAt(accuracy, view.step),
      ended = other.steps < view.step ? `; it ended at step ${whole(other.steps)}` : "";
    said.push(
      make(
        "span",
        { class: "second" },
        ` ${other.name}: loss ${isBroken(loss, view.step) ? "NaN" : brief(curveAt(loss, view.step))}${right == null ? "" : `, ${percent(right)} right`}${ended}.`,
      ),
    );
  }
  return said;
}

function helpPanel() {
  const list = make(
    "dl",
    {},
    ...HELP.flatMap(([key, what]) => [make("dt", {}, key), make("dd", {}, what)]),
  );
  return make(
    "div",
    { class: "help", role: "dialog", "aria-label": "keys and colours", hidden: true },
    strong("Keys and colours"),
    make(
      "p",
      { class: "muted" },
      "Heat maps: ",
      make("span", { class: "legend" }),
      " negative, zero, positive; each cell of a large array is the number of its block that is farthest from zero. Weights and outputs keep one scale for the run, so that growth is seen; gradients span decades, and each frame has its own scale, written below. ● weight ○ bias.",
    ),
    list,
  );
}
