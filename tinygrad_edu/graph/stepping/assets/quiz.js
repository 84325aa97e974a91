// The quiz: a number of the backward pass is hidden, and the reader types it. A wrong answer that is another number of the same
// step is told which one it is. A question: {ask, answer, known}, by the number of its step; `ask` says which of the numbers in
// `known` the answer is: local, share or after.
const quiz = document.getElementById("quiz"),
  score = document.getElementById("score");
const asked = Object.keys(questions).map(Number),
  solved = new Map(); // the number of a step ↦ right or helped
const forms = new Map(
  [...document.querySelectorAll(".question")].map((form) => [Number(form.dataset.step), form]),
);
const hints = new Map(); // how many a question has given; a wrong answer counts as half of one
const WORDS = {
  local: "the local derivative",
  share: "what this edge brings",
  after: "the whole gradient",
  upstream: "what arrives",
  before: "what was there before",
};
let quizzing = asked.length > 0;

const short = (x) => String(Number(x.toPrecision(4))).replace("-", "−");
const near = (x, y) => Math.abs(x - y) <= Math.max(0.006 * Math.abs(y), 1e-9);

// −0.25, 0,25, 1.5e-3 or 1/4
function numberOf(text) {
  const parts = text
    .replaceAll("−", "-")
    .replaceAll(",", ".")
    .split("/")
    .map((part) => part.trim());
  const numbers = parts.map((part) => (part === "" ? NaN : Number(part)));
  return numbers.length > 2 ? NaN : numbers.reduce((x, y) => x / y);
}

// What a wrong answer tells; "" for a right one
function grade(x, { ask, answer, known }) {
  if (near(x, answer)) return "";
  if (near(x, -answer)) return "The size is right, the sign is not.";
  for (const [name, y] of Object.entries(known)) {
    if (name === ask || !near(x, y)) continue;
    if (name === "local")
      return `That is ${WORDS.local}. Multiply it by what arrives, ${short(known.upstream)}.`;
    if (name === "share" && ask === "after")
      return `That is ${WORDS.share}. ${short(known.before)} was there already: add it.`;
    if (name === "share")
      return `That is already multiplied by what arrives, ${short(known.upstream)}. Only the local derivative is asked.`;
    return `That is ${WORDS[name]}.`;
  }
  const { before, share, upstream, local } = known;
  if (ask === "after" && near(x, before * share))
    return "What comes along two edges is added, not multiplied.";
  if (ask === "after" && near(x, before - share)) return "Added, with its sign: not subtracted.";
  if (near(x, upstream + local)) return "Along a path derivatives are multiplied, not added.";
  if (answer && near(x, 1 / answer)) return "That is one over it.";
  if (near(x, answer / 2))
    return "Half of it: does a square, or a value that is used twice, bring a factor 2?";
  if (near(x, 2 * answer)) return "Twice as much as it is.";
  if (answer && Math.abs(x - answer) < 0.05 * Math.abs(answer))
    return "Close. Three digits are asked.";
  return "Not yet.";
}

// Whether the number of a step is still to be found
const isHidden = (step) => quizzing && step in questions && !solved.has(step);

// Show the question of a step, if it has one, and what is hidden in the graph
function ask() {
  if (!asked.length) return;
  const form = quizzing ? forms.get(at) : undefined;
  for (const other of forms.values()) other.hidden = other !== form;
  document.getElementById("panels").hidden = isHidden(at);
  for (const edge of edges) {
    const open = asked.some(
      (step) => step <= at && isHidden(step) && steps[step].edges.includes(edge.id),
    );
    edge.classList.toggle("open", open);
    edge.querySelector(".mark")?.remove();
    if (open) edge.append(questionMark(edge.querySelector("text")));
  }
  score.hidden = !form;
  if (!form) return;
  const right = [...solved.values()].filter((how) => how === "right").length;
  score.querySelector("span").textContent = `${right} of ${asked.length} right at once`;
  [...score.querySelectorAll("i")].forEach((dot, i) => {
    dot.className = `${solved.get(asked[i]) ?? ""} ${asked[i] === at ? "now" : ""}`;
  });
  if (isHidden(at))
    spoken.textContent = `Question ${asked.indexOf(at) + 1} of ${asked.length}: ${form.querySelector("h2").textContent}`;
  form.querySelector("input").focus({ preventScroll: true });
}

function questionMark(text) {
  const mark = text.cloneNode();
  mark.textContent = "?";
  mark.setAttribute("class", "mark");
  return mark;
}

function check(form) {
  if (solved.has(at)) return goOn(form);
  const question = questions[at],
    x = numberOf(form.querySelector("input").value);
  if (Number.isNaN(x)) return say(form, "A number, such as −0.25, 1.5e-3 or 1/4.", "wrong");
  const wrong = grade(x, question);
  if (wrong) {
    hints.set(at, hints.get(at) || 0.5);
    return say(form, wrong, "wrong");
  }
  solved.set(at, hints.get(at) ? "helped" : "right");
  show(at);
  form.querySelector(".hint").hidden = true;
  form.querySelector(".check").textContent = "Go on";
  say(form, `Right: ${short(question.answer)}. Enter goes on.`, "right");
}

function goOn(form) {
  const next =
    asked.find((step) => step > at && !solved.has(step)) ?? asked.find((step) => !solved.has(step));
  if (next === undefined) return say(form, "All done.", "right");
  go(next);
}

function hint(form) {
  const given = Math.floor(hints.get(at) ?? 0) + 1,
    all = [...form.querySelectorAll(".hints > *")];
  hints.set(at, given);
  all.forEach((one, i) => {
    one.hidden = i >= given;
  });
  if (given > all.length) form.querySelector("input").value = short(questions[at].answer);
  form.querySelector(".hint").textContent = given < all.length ? "Another hint" : "Show it";
  form.querySelector("input").focus();
  openToKeys();
}

function say(form, text, kind) {
  const said = form.querySelector(".said");
  said.textContent = text;
  said.className = `said ${kind}`;
}

for (const form of forms.values()) {
  form.querySelector(".check").addEventListener("click", () => check(form));
  form.querySelector(".hint").addEventListener("click", () => hint(form));
  form.querySelector("input").addEventListener("keydown", (event) => {
    if (event.key === "Enter") check(form);
    if (event.key === "Escape") play.focus();
  });
}
quiz.hidden = !asked.length;
quiz.setAttribute("aria-pressed", quizzing);
quiz.addEventListener("click", () => {
  quizzing = !quizzing;
  quiz.setAttribute("aria-pressed", quizzing);
  pause();
  show(at);
});
