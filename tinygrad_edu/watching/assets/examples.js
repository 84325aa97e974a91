// Fixed examples: their images, and the model's answers over the whole run.

function addExamples(view, into) {
  const { run } = view,
    answers = run.maps.answers;
  if (!answers) return [];
  const [count, classes] = answers.shape,
    isDrawn = answers.shape.length === 3,
    box = make("div", { class: "examples" });
  const updates = Array.from({ length: count }, (_, i) =>
    isDrawn ? addDrawnExample(view, box, answers, i) : addExample(view, box, answers, i),
  );
  const what = isDrawn
    ? "what is drawn of them now"
    : classes > 1
      ? `the answers 0 (top) to ${classes - 1}, over the run`
      : "the answer, over the run";
  into.append(
    make(
      "div",
      {},
      make("h2", {}, `${view.other ? `${run.name}: ` : ""}${count} fixed examples: ${what}`),
      box,
    ),
  );
  return updates;
}

function addExample(view, box, answers, i) {
  const { run } = view,
    frames = run.frames.step.length,
    classes = answers.shape[1];
  const picture = make("canvas", { class: "picture" }),
    canvas = make("canvas"),
    mark = make("i"),
    caption = make("p");
  if (run.images && i < run.images.shape[0]) paintExample(picture, run.images, i);
  else picture.hidden = true;
  const scale = run.softmax ? 1 : answers.common,
    readers = Array.from({ length: frames }, (_, f) => cellReader(answers, f));
  paint(canvas, [classes, frames], (k) => {
    const f = k % frames;
    return isThere(answers, f) ? readers[f](i * classes + Math.floor(k / frames)) / scale : 0;
  });
  const element = make(
    "div",
    { class: "example" },
    picture,
    make("div", { class: "over" }, canvas, mark),
    caption,
  );
  box.append(element);
  return () => {
    mark.style.left = `${(100 * (view.frame + 0.5)) / frames}%`;
    const given = Array.from({ length: classes }, (_, c) =>
      isThere(answers, view.frame) ? readers[view.frame](i * classes + c) : NaN,
    );
    const best = given.indexOf(Math.max(...given)),
      right = run.labels?.[i],
      isWrong = given.includes(NaN) || (right != null && best !== right);
    element.classList.toggle("wrong", isWrong);
    caption.replaceChildren(...answerText(given, best, right, run.softmax));
  };
}

function addDrawnExample(view, box, answers, i) {
  // an answer that is an image
  const picture = make("canvas", { class: "picture" }),
    answer = make("canvas", { class: "picture" }),
    [, h, w] = answers.shape;
  paintExample(picture, view.run.images, i);
  box.append(make("div", { class: "example" }, picture, answer));
  return () => {
    const read = isThere(answers, view.frame) ? cellReader(answers, view.frame) : () => NaN;
    paint(
      answer,
      [h, w],
      (k) => read(i * h * w + k) / answers.common,
      (x) => {
        const v = Math.round(255 * (1 - Math.min(Math.max(x || 0, 0), 1)));
        return rgba(v, v, v);
      },
    );
  };
}

function answerText(given, best, right, isSoftmax) {
  if (given.some(Number.isNaN)) return [strong("NaN")];
  if (given.length === 1) return ["gives ", strong(brief(given[0]))];
  return [
    "says ",
    strong(String(best)),
    isSoftmax ? `, ${Math.round(100 * given[best])} %` : `, ${brief(given[best], 2)}`,
    right != null && best !== right ? `; is ${right}` : "",
  ];
}
