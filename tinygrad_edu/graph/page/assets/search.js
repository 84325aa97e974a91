// Search by name, and the address: a link shows a place.
const find = document.getElementById("find"),
  foundText = document.getElementById("found");
let hits = [],
  hit = -1,
  quiet = false;

function search(text) {
  for (const line of canvas.querySelectorAll(".halo.hit")) line.remove();
  const wanted = text.trim().toLowerCase();
  const named = Object.entries(things)
    .filter(([, thing]) => thing.name?.toLowerCase().includes(wanted))
    .map(([id]) => id);
  const known = new Set(named);
  for (const [id, module] of Object.entries(modules))
    if (!known.has(id) && module.name.toLowerCase().includes(wanted)) named.push(id);
  hits = wanted ? [...new Set(named.filter((id) => shownAs(id) || boxes.has(id)))] : [];
  hit = -1;
  const shown = new Set(hits.map((id) => shownAs(id) ?? id));
  for (const id of [...shown].slice(0, 300)) mark(id, "hit");
  foundText.textContent = wanted ? `${hits.length} found` : "";
  remember();
}

function nextHit(by) {
  if (!hits.length) return;
  hit = (hit + by + hits.length) % hits.length;
  const wanted = hits[hit],
    shown = shownAs(wanted) ?? wanted;
  choose(shown);
  for (const id of new Set(hits.map((one) => shownAs(one) ?? one))) mark(id, "hit");
  const name = things[wanted]?.name ?? modules[wanted]?.name;
  foundText.textContent =
    shown === wanted
      ? `${hit + 1} of ${hits.length}`
      : `${hit + 1} of ${hits.length}: ${name} is inside`;
}

function nameOf(id) {
  return thingOf(id)?.name ?? modules[id]?.name ?? "";
}

// #model.2.weight&depth=3&find=tanh&to=loss
function remember() {
  if (quiet) return;
  const parts = [first ? encodeURIComponent(nameOf(first)) : ""];
  if (at !== data.start) parts.push(`level=${at}`);
  if (second) parts.push(`to=${encodeURIComponent(nameOf(second))}`);
  if (find.value) parts.push(`find=${encodeURIComponent(find.value)}`);
  const hash = parts.join("&");
  try {
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  } catch {
    /* a sandboxed frame has no address */
  }
}

function idNamed(name) {
  const shown = new Set(levels[at].nodes),
    same = Object.keys(things).filter((id) => things[id].name === name);
  return (
    same.find((id) => shown.has(id)) ??
    same[0] ??
    Object.keys(modules).find((id) => modules[id].name === name) ??
    null
  );
}

// Take the state from the address
function recall() {
  quiet = true;
  const [name, ...others] = location.hash.slice(1).split("&"),
    state = new URLSearchParams(others.join("&"));
  showLevel(
    Math.min(Math.max(Number(state.get("level") ?? data.start) || 0, 0), levels.length - 1),
  );
  choose(null);
  find.value = state.get("find") ?? "";
  let wanted = "";
  try {
    wanted = decodeURIComponent(name);
  } catch {
    wanted = name;
  }
  const id = wanted && idNamed(wanted);
  if (id && !shownAs(id) && !boxes.has(id)) showLevel(levels.length - 1);
  if (id) choose(shownAs(id) ?? id);
  const other = state.get("to") && idNamed(state.get("to"));
  if (other && shownAs(other)) chooseSecond(shownAs(other));
  if (find.value) search(find.value);
  quiet = false;
}
