"""What the stepper shows of its last act: each parameter's step, and all values once more."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.compare import change_of
from tinygrad_edu.graph.expression import name_text, range_text, setting_text, true_minus
from tinygrad_edu.graph.fold import enclosing
from tinygrad_edu.graph.read import Graph, Node
from tinygrad_edu.graph.stepping.layout import value_or_scale
from tinygrad_edu.graph.stepping.panels import Panels, PanelStep
from tinygrad_edu.graph.stepping.pieces import (
    code_listing,
    figure,
    math_block,
    note_line,
    number_span,
    paragraph,
    ruled_box,
    sign_and_tile,
    step_article,
    tile_row,
)
from tinygrad_edu.graph.stepping.update import LastAct, Update, update_equations, update_source
from tinygrad_edu.graph.stepping.words import (
    bracket_negative,
    number_json,
    number_symbol,
    step_data,
)
from tinygrad_edu.graph.text.formula import Formula
from tinygrad_edu.graph.text.typeset import DERIVATIVE

MINUS_SIGN = "{} − {}"
NEARLY = 0.02  # of what the slopes promised: a difference that is not worth a sentence


@dataclass(frozen=True, eq=False)
class LastPanels:
    """The panels of the last act; `after` is the graph that the page shows, with the new values."""

    panels: Panels
    act: LastAct
    after: Graph

    def all(self) -> list[PanelStep]:
        return [*map(self.update, self.act.updates), self.again()]

    # The step of a parameter

    def update(self, x: Update) -> PanelStep:
        """Show w ← w − 0.1 ∂L/∂w, before + step = after, and the lines that computed it."""
        node, title = x.node, f"{name_text(x.node.name)} takes a step"
        tiles = [
            self.panels.tile("before", name_symbol(node).mathml, node),
            sign_and_tile("+", self.panels.tile("step", "", node, x.step)),
            sign_and_tile("=", self.panels.tile("after", "", replace(node, value=x.after))),
        ]
        why, words = array_reason(x), title
        if not x.step.ndim:
            why = self.number_reason(x)
            words += f": {range_text(node.value)} + {bracket_negative(x.step)}"
            words += f" = {range_text(x.after)}"
        shown = self.shown(node)
        found = step_data("update", f"{words}. {why}", shown)
        if shown.id == node.id:
            found["value"] = true_minus(value_or_scale(x.after))
        found["numbers"] = {"value": number_json(x.after), "step": number_json(x.step)}
        body = self.rule(x) + self.averages(x) + tile_row(tiles) + paragraph(why)
        return found, step_article("update", title, body, self.origin(x))

    def shown(self, node: Node) -> Node:
        """The node itself, or the folded Module that it is part of."""
        there = {found.id: found for found in self.panels.graph.nodes}
        modules = {module.id: module for module in self.act.after.modules}
        return next(there[i] for i in (node.id, *enclosing(node.module, modules)) if i in there)

    def rule(self, x: Update) -> str:
        """The optimizer's update, run on formulas; for a number also with the numbers put in."""
        names = update_equations(self.act.optimizer, x, self.name_symbols(x))
        lines = [math_block(f"{left.mathml}<mo>←</mo>{right.mathml}") for left, right in names]
        if not x.step.ndim:
            numbers = update_equations(self.act.optimizer, x, number_symbols(x))
            sides = [worked_out(right) for _, right in numbers]
            lines = [line for pair in zip(lines, sides, strict=True) for line in pair]
        return ruled_box("".join(lines)) if lines else ""

    def name_symbols(self, x: Update) -> dict[str, Formula]:
        """The names that stand for the parameter, its gradient, and what is kept."""
        names = {name: Formula("name", (name, name), after) for name, (_, after) in x.kept.items()}
        found = names | {f"{name} before": formula for name, formula in names.items()}
        p, output = name_symbol(x.node), name_symbol(self.panels.graph.output)
        assert x.node.gradient is not None
        return found | {"p": p, "g": Formula(DERIVATIVE, (output, p), x.node.gradient)}

    def averages(self, x: Update) -> str:
        """What the optimizer keeps of an array, before and after, as heat maps."""
        rows = []
        for name, (before, after) in x.kept.items():
            if x.step.ndim:
                first = self.panels.tile(f"{name}, before", "", x.node, before)
                second = self.panels.tile(f"{name}, after", "", x.node, after)
                rows.append(tile_row([first, sign_and_tile("→", second)]))
        return "".join(rows)

    def origin(self, x: Update) -> str:
        """The optimizer's own lines, and its settings."""
        lines, place = update_source(self.act.optimizer)
        pairs = [f"{name} = {setting_text(value)}" for name, value in x.options.items()]
        settings = ", ".join(pair.replace(" ", "\N{NO-BREAK SPACE}") for pair in pairs)
        listed = note_line("computed by", place) + code_listing(lines) if lines else ""
        kind = type(self.act.optimizer).__name__
        return listed + note_line(f"{kind}, step {x.taken} of {name_text(x.node.name)}:", settings)

    def number_reason(self, x: Update) -> str:
        """Why a number goes up or down."""
        name, output = name_text(x.node.name), name_text(self.panels.graph.output.name)
        g, step = float(x.node.gradient or 0.0), float(x.step)
        way = "up" if step > 0 else "down"
        if not math.isfinite(step):
            return "The step is not a finite number."
        if step == 0:
            return f"The gradient is 0: {name} stays." if g == 0 else f"{name} stays."
        if g == 0:
            return f"The gradient is 0: earlier steps, or weight decay, move {name} {way}."
        sign, then = ("positive", "larger") if g > 0 else ("negative", "smaller")
        slope = f"The gradient is {sign}: a larger {name} makes {output} {then}"
        if (g > 0) != (step > 0):
            return f"{slope}, so {name} goes {way}."
        return f"{slope}. Yet {name} goes {way}: earlier steps, or weight decay, outweigh it."

    # Forward again

    def again(self) -> PanelStep:
        """All values once more: what the slopes had promised, and what came of it."""
        output, title = self.panels.graph.output, "Forward again, with the new values"
        old, new, name = output.value, self.after.output.value, name_text(output.name)
        promised, came = np.asarray(sum(x.promised for x in self.act.updates)), change_of(new, old)
        assert came is not None  # a loss is a number
        after = figure("after", "", number_span(range_text(new), ""))
        before = figure("before", name_symbol(output).mathml, number_span(range_text(old), ""))
        slopes = figure("the slopes promised", "", signed_number(promised))
        outcome = figure("came of it", "", signed_number(came))
        why = outcome_words(name, float(promised), float(came))
        pairs = list(zip(self.panels.graph.nodes, self.after.nodes, strict=True))
        words = f"{title}: {name} was {range_text(old)} and is {range_text(new)}. {why}"
        found = step_data("again", words, output)
        found["values"] = {x.id: true_minus(value_or_scale(y.value)) for x, y in pairs}
        found["numbers"] = {"promised": number_json(promised), "came": number_json(came)}
        found["numbers"]["values"] = {x.id: number_json(y.value) for x, y in pairs}
        body = tile_row([before, sign_and_tile("→", after)]) + tile_row([slopes, outcome])
        return found, step_article("again", title, body + paragraph(why), changes_table(pairs))


# Numbers and formulas


def name_symbol(node: Node) -> Formula:
    return Formula("name", (node.name, node.id), node.value)


def number_symbols(x: Update) -> dict[str, Formula]:
    """The numbers that stand for the parameter, its gradient, and what is kept."""
    assert x.node.gradient is not None
    found = {"p": number_symbol(x.node.value), "g": number_symbol(x.node.gradient)}
    for name, (before, after) in x.kept.items():
        found |= {f"{name} before": number_symbol(before), name: number_symbol(after)}
    return found


def worked_out(f: Formula) -> str:
    """A line = −0.8000 − 0.02 · 0.7018 = −0.8140; a number that begins it needs no parentheses."""
    if f.kind == MINUS_SIGN and f.parts[0].kind == "text":
        first = replace(f.parts[0], parts=(f.parts[0].parts[0].strip("()"),))
        f = replace(f, parts=(first, f.parts[1]))
    result = f"<mtext>{true_minus(range_text(f.value))}</mtext>"
    return math_block(f"<mo>=</mo>{f.mathml}<mo>=</mo>{result}")


def signed_number(x: Array) -> str:
    sign = "positive" if x > 0 else "negative" if x < 0 else ""
    return number_span(range_text(x), sign)


def share_text(part: Array, whole: Array) -> str:
    """The length of an array as a share of another's: 1.3 %; "" if there is none."""
    with np.errstate(all="ignore"):
        share = float(np.linalg.norm(part.ravel()) / np.linalg.norm(whole.ravel()))
    return f"{share:.2%}".replace("%", " %") if math.isfinite(share) else ""


# Words


def array_reason(x: Update) -> str:
    """How long a step is."""
    share = share_text(x.step, x.node.value)
    if not np.isfinite(x.step).all():
        return "The step is not finite."
    if not share:
        return "Before this step all of it was 0."
    return f"The step is {share} as long as {name_text(x.node.name)} itself."


def outcome_words(name: str, promised: float, came: float) -> str:
    """What came of a step, beside what the slopes had promised."""
    if not math.isfinite(came):
        return f"{name} is no finite number any more: the step was far too long. Take a smaller lr."
    if promised == 0 == came:
        return "Nothing has moved."
    if promised >= 0:
        return "Earlier steps, or weight decay, led against the slope this time."
    if came > 0:
        return (
            f"The step was so long that it jumped over the valley: {name} rose. Take a smaller lr."
        )
    if abs(came - promised) <= NEARLY * abs(promised):
        return "The step was so short that the slopes held nearly all the way."
    if came > promised:
        return (
            "A slope holds only where it was measured: the curve bends, and the step brings less "
            "than it promised."
        )
    return "The curve bends downwards here: the step brings more than its slopes promised."


def changes_table(pairs: list[tuple[Node, Node]]) -> str:
    """What has changed: of numbers before and after, of arrays the length of the change."""
    rows = []
    for old, new in pairs:
        change = change_of(new.value, old.value)
        if change is None or not change.any():
            continue
        if old.value.ndim:
            share = share_text(change, old.value)
            text = f"changed by {share}" if share else "changed"
        else:
            text = f"{range_text(old.value):>9} → {range_text(new.value):>9}"
        rows.append((name_text(old.name), text))
    width = max((len(name) for name, _ in rows), default=0)
    lines = [true_minus(f"{name:{width}}  {text}") for name, text in rows]
    return code_listing(lines, "table") if lines else ""
