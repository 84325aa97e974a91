// Elements of the page. Texts come from users: they are only ever set as text.

const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  return filled(element, attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value != null)
      element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

const words = (content, attributes) => draw("text", attributes, content);
const strong = (text) => make("b", {}, text);
const line = (points) =>
  points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function iconButton(label, path, act) {
  return make(
    "button",
    { "aria-label": label, title: label, onclick: act },
    draw("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, draw("path", { d: path })),
  );
}

function choice(label, names, act) {
  const select = make(
    "select",
    { onchange: () => act(select.selectedIndex) },
    ...names.map((name) => make("option", {}, name)),
  );
  return { select, element: make("label", {}, label, select) };
}
