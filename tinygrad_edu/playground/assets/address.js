// The state in the address: playground.html#image=3&t=5 opens at it, and a link keeps it.

function addressOf() {
  if (S.view === "train") return T.shuffled ? "view=train&shuffled" : "view=train";
  const parts = [];
  if (S.source === "sample") parts.push(`image=${S.index}`);
  if (S.source === "sample" && S.label !== LABELS[S.index]) parts.push(`label=${S.label}`);
  if (S.source === "sample" && S.goal) parts.push(`t=${Math.round(S.goal)}`);
  if (S.pin) parts.push(`neuron=${S.pin.l}.${S.pin.j + 1}`);
  if (S.program) parts.push("tab=program");
  return parts.join("&");
}

function noteAddress() {
  if (!document.body.hasAttribute("data-ready") || location.protocol === "about:") return;
  const address = addressOf();
  if (`#${address}` !== (location.hash || "#")) history.replaceState(null, "", `#${address}`);
}

// What an address asks for, as far as there is such an image, class, stop or neuron
function openAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const number = (key, last) => {
    const value = asked.has(key) ? Number(asked.get(key)) : NaN;
    return Number.isInteger(value) && value >= 0 && value <= last ? value : null;
  };
  if (asked.has("seed")) seed(number("seed", 2 ** 32) ?? 0);
  T.shuffled = asked.has("shuffled");
  if (asked.get("view") === "train") return show("train");
  const image = number("image", PICKED - 1);
  if (image !== null) {
    pick(image);
    const label = number("label", CLASSES - 1);
    if (label !== null) setLabel(label);
    S.goal = S.t = COST;
    jumpTo(number("t", LAST) ?? COST);
  }
  const [l, n] = (asked.get("neuron") ?? "").split(".").map(Number);
  if (DRAWN[l]?.includes(n - 1)) {
    S.pin = { l, j: n - 1 };
    S.weight = S.soft = null;
  }
  if (asked.get("tab") === "program") lensTab(true);
  refresh();
  return tell();
}
