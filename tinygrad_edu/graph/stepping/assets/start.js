// Once all is defined: images, the lengths of the phases, the size of the graph, and the first step.
for (const image of document.querySelectorAll("img[data-image]"))
  image.src = images[image.dataset.image];
const countOf = (phase) => steps.filter((step) => step.phase === phase).length;
for (const [phase, count] of [
  ["forward", countOf("forward")],
  ["backward", countOf("backward")],
  ["update", countOf("update") + countOf("again")],
]) {
  const part = document.querySelector(`#phases .${phase}`);
  part.hidden = !count;
  part.style.flexGrow = count;
}
addEventListener("resize", openToKeys);
const picture = graph.querySelector("svg");
for (const side of ["width", "height"])
  picture.style.setProperty(`--${side}`, picture.getAttribute(side));
show(0);
