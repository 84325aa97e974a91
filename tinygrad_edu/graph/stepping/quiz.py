"""The stepper's quiz: a question for each edge of the backward pass that lies between numbers."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_edu.graph.expression import name_text, range_text
from tinygrad_edu.graph.read import Graph
from tinygrad_edu.graph.stepping.panels import Panels
from tinygrad_edu.graph.stepping.pieces import (
    formula_line,
    math_block,
    paragraph,
    question_form,
    ruled_box,
    score_line,
)
from tinygrad_edu.graph.stepping.words import bracket_negative, number_symbol
from tinygrad_edu.graph.steps import Backward, incoming, steps
from tinygrad_edu.graph.text.calculus import derivative_formula

EVERY = 3  # of so many questions one is about the share: the others about the local derivative
TIMES_USED = {2: "twice", 3: "three times", 4: "four times"}
QUIZ_START = (
    "A quiz. The forward pass shows its numbers; on each edge of the backward pass one is hidden: "
    "a local derivative, what an edge brings, or, where a value is used twice, the whole gradient. "
    "Type it, and Enter checks it. The button Quiz shows all numbers."
)
Question = dict[str, Any]  # for the page: which number is asked, the answer, the step's numbers


@dataclass(frozen=True, eq=False)
class Quiz:
    """The questions of a graph of numbers."""

    panels: Panels

    @cached_property
    def backward(self) -> list[Backward]:
        return backward_of(self.panels.graph)

    def all(self, last: int) -> tuple[dict[int, Question], str]:
        """The questions, by the number of their step, and forms; `last` is the last edge's step."""
        found: dict[int, Question] = {}
        forms = []
        for number, step in enumerate(self.backward, last + 1 - len(self.backward)):
            if can_be_asked(step):
                found[number], form = self.question(step, len(found), number)
                forms.append(form)
        return found, "".join(forms) + score_line(len(found))

    def question(self, step: Backward, asked: int, number: int) -> tuple[Question, str]:
        """The numbers of a question, for the page to grade, and its form."""
        numbers = {"upstream": step.upstream, "local": step.edge.local, "share": step.share}
        if step.before is not None:
            numbers |= {"before": step.before, "after": step.after}
        known = {name: float(x) for name, x in numbers.items() if x is not None}
        if step.before is not None:
            kind, (text, symbol, hints) = "after", self.sum_question(step)
        elif asked % EVERY == EVERY - 1:
            kind, (text, symbol, hints) = "share", self.share_question(step)
        else:
            kind, (text, symbol, hints) = "local", self.local_question(step)
        equation = math_block(self.panels.equation(step.target)) if kind == "local" else ""
        form = question_form(number, text, equation, symbol, hints)
        return {"ask": kind, "answer": known[kind], "known": known}, form

    def local_question(self, step: Backward) -> tuple[str, str, list[str]]:
        """Ask how much the target changes with the source."""
        source, target = name_text(step.source.name), name_text(step.target.name)
        graph, partial = self.panels.graph, self.panels.partial(step)
        there = {node.id: node for node in graph.nodes}
        near = dict.fromkeys(edge.source for edge in incoming(graph)[step.target.id])
        nodes = [there[i] for i in (*near, step.target.id)]
        values = ", ".join(f"{name_text(x.name)} = {range_text(x.value)}" for x in nodes)
        text = f"How much does {target} change for a small change of {source}? Here {values}."
        numbers = {node.id: number_symbol(node.value) for node in graph.nodes if not node.shape}
        found = [
            derivative_formula(graph, step.edge, symbols)
            for symbols in (self.panels.symbols, numbers)
        ]
        rules = dict.fromkeys(f.mathml for f in found if f)
        hints = [ruled_box(math_block(f"{partial}<mo>=</mo>{rule}")) for rule in rules]
        return text, partial, hints or [paragraph("Differentiate it.")]

    def share_question(self, step: Backward) -> tuple[str, str, list[str]]:
        """Ask what an edge passes on."""
        source = name_text(step.source.name)
        text = f"{arrival_words(step)} What does {source} receive?"
        hints = [paragraph("Upstream × local derivative."), formula_line(product_words(step))]
        return text, self.panels.slope(step.source), hints

    def sum_question(self, step: Backward) -> tuple[str, str, list[str]]:
        """Ask what a source holds after another edge has passed on its share."""
        assert step.before is not None
        source, uses = name_text(step.source.name), self.uses[step.source.id]
        times, before = TIMES_USED.get(uses, f"{uses} times"), range_text(step.before)
        text = f"{source} is used {times}, and {before} was there already. {arrival_words(step)}"
        asked = f"What is the gradient of {source} then?"
        hints = [
            paragraph("What comes along different edges is added up."),
            formula_line(f"{before} + {product_words(step)}"),
        ]
        return f"{text} {asked}", self.panels.slope(step.source), hints

    @cached_property
    def uses(self) -> Counter[str]:
        return Counter(step.source.id for step in self.backward)


def check_askable(graph: Graph) -> None:
    """Refuse a graph without a number to ask for."""
    if not any(map(can_be_asked, backward_of(graph))):
        raise ValueError(
            "a quiz asks for the numbers on edges, and none of this graph's edges lies between "
            "two finite numbers: take a graph of numbers, such as a neuron with one input"
        )


def backward_of(graph: Graph) -> list[Backward]:
    return [step for step in steps(graph) if isinstance(step, Backward)]


def can_be_asked(step: Backward) -> bool:
    """Whether a step can be asked for: its numbers are numbers."""
    local = step.edge.local
    return local is not None and math.isfinite(local) and bool(np.isfinite(step.after))


def arrival_words(step: Backward) -> str:
    local, target = range_text(np.asarray(step.edge.local)), name_text(step.target.name)
    arrives = f"{range_text(step.upstream)} arrives at {target}"
    return f"{arrives}, and the local derivative is {local}."


def product_words(step: Backward) -> str:
    return f"{range_text(step.upstream)} × {bracket_negative(np.asarray(step.edge.local))}"
