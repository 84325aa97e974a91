// The page: its own runs, and, while the program runs, the frames that it sends.

const embedded = JSON.parse(document.getElementById("data").textContent),
  page = document.getElementById("watching");
page.classList.add("page");
mount(page, embedded.runs, { ...embedded, keys: document }).then((view) => {
  window.view = view;
  if (embedded.live) followStream(view);
  else if (embedded.runs.length === 2) view.show({ other: view.runs[1] });
  page.focus({ preventScroll: true });
  document.body.dataset.ready = "yes";
});

function followStream(view) {
  const stream = new EventSource("frames");
  stream.onmessage = (message) => {
    const { head, maps } = JSON.parse(message.data),
      seen = view.runs[0].frames.step.at(-1);
    head.maps = Object.fromEntries(
      Object.entries(head.maps).map(([key, [shape, exponent, greatest, i]]) => [
        key,
        [shape, exponent, greatest, fromBase64(maps[i])],
      ]),
    );
    if (head.step > seen) view.push(head);
  };
  stream.addEventListener("end", () => {
    stream.close();
    view.end();
  });
  stream.onerror = () => {
    stream.close();
    view.end();
  }; // the program is gone; the page stays
}
