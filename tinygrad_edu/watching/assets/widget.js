// The view in a notebook's cell. Frames come from Python while the cell runs; nothing goes back.

const received = new Map(); // a run's key ↦ its newest frames: they may come before a view is drawn

function unfolded({ head }, buffers) {
  const bytes = (i) =>
    new Uint8Array(buffers[i].buffer, buffers[i].byteOffset, buffers[i].byteLength);
  head.maps = Object.fromEntries(
    Object.entries(head.maps).map(([key, [shape, exponent, greatest, i]]) => [
      key,
      [shape, exponent, greatest, bytes(i)],
    ]),
  );
  return head;
}

function isDark() {
  const { dataset, classList } = document.body;
  if (dataset.jpThemeLight) return dataset.jpThemeLight === "false";
  if (classList.contains("vscode-dark") || classList.contains("dark")) return true;
  return (
    !classList.contains("vscode-light") &&
    !classList.contains("light") &&
    matchMedia("(prefers-color-scheme: dark)").matches
  );
}

export default {
  initialize({ model }) {
    const frames = [];
    received.set(model.get("key"), frames);
    model.on("msg:custom", (message, buffers) => {
      frames.push(unfolded(message, buffers));
      if (frames.length > MOST_FRAMES) frames.shift();
    });
    return () => received.delete(model.get("key"));
  },
  async render({ model, el }) {
    const root = document.createElement("div"),
      theme = () => {
        root.dataset.theme = isDark() ? "dark" : "light";
      };
    theme();
    const watcher = new MutationObserver(theme);
    watcher.observe(document.body, {
      attributes: true,
      attributeFilter: ["class", "data-jp-theme-light"],
    });
    root.tabIndex = -1;
    root.addEventListener("keydown", (event) => event.stopPropagation()); // a notebook's own keys do not fire while the view has the focus
    el.append(root);
    const { runs, stops } = structuredClone(model.get("page")),
      view = await mount(root, runs, { stops, live: true });
    const take = () => {
      for (const sent of received.get(model.get("key")) ?? [])
        if (sent.step > view.runs[0].frames.step.at(-1)) view.push(structuredClone(sent));
    };
    take();
    model.on("msg:custom", take); // after `initialize`, which was told first
    return () => {
      watcher.disconnect();
      model.off("msg:custom", take);
    };
  },
};
