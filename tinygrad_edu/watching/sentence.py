"""One sentence for a frame: is it learning? And the line that a terminal shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tinygrad_edu.watching.curves import COUNT, SUM, Curve
from tinygrad_edu.watching.health import Finding, brief, mark_of

WRONG, NO_BETTER = 1.6, 0.93  # of what guessing costs (1.6 ln C: neurolens)
WORSE = 3.0  # times the best loss so far, both means of an eighth of the curve,
SHORTEST, LONGEST = 5, 32  # of 5 buckets at least, 32 at most
STUCK, ENOUGH = 0.99, 40  # the last quarter's loss as a share of the one before; buckets, at least
BLOCKS = "▁▂▃▄▅▆▇█"
DECADE = 8  # a range beyond this factor is drawn on a logarithmic scale


class Sentence(NamedTuple):
    """How the training stands: a state in a few words, and what it is read from."""

    state: str
    text: str
    is_warning: bool = False

    def __str__(self) -> str:
        return f"{self.state}{self.text}"


def state_sentence(
    step: int,
    curves: Mapping[str, Curve],
    guess: float | None,
    start: float | None,
    rate: float = 1.0,
    fine: int = 0,
) -> Sentence:
    """How the training stands, by its loss.

    `start` is the loss before the first step, `rate` the learning rate as a share of its peak,
    `fine` the last step that was seen finite.
    """
    loss = curves.get("loss")
    if loss is not None and loss.broken is not None:
        text = (
            f" since step {loss.broken:,}. The last frame that was fine is that of step {fine:,}."
        )
        return Sentence(f"The loss is {loss.broken_value}", text, True)
    if step == 0 or loss is None or not len(loss.buckets):
        return before_the_first(start, guess)
    now = recent(loss)
    right = curves["accuracy"].last if "accuracy" in curves else None
    also = "" if right is None else f", {percent(right)} right"
    if guess and now > WRONG * guess:
        return Sentence(
            "Worse than guessing", f": loss {brief3(now)}, guessing costs {brief3(guess)}.", True
        )
    best = best_so_far(loss)
    if best is not None and now > WORSE * best:
        return Sentence(
            "Getting worse", f": loss {brief3(now)}, at best it was {brief3(best)}{also}.", True
        )
    if guess and now > NO_BETTER * guess:
        return Sentence(
            "No better than guessing", f": loss {brief3(now)}, guessing costs {brief3(guess)}."
        )
    if rate >= 0.01 and is_stuck(loss):
        return Sentence(
            "On a plateau", f": the last quarter of the steps left the loss at {brief3(now)}{also}."
        )
    return learning(now, guess, start, also)


def before_the_first(start: float | None, guess: float | None) -> Sentence:
    if start is None:
        return Sentence("Before the first step", ".")
    costs = f" where guessing costs {brief3(guess)}" if guess else ""
    return Sentence("Before the first step", f": loss {brief3(start)}{costs}.")


def learning(now: float, guess: float | None, start: float | None, also: str) -> Sentence:
    if guess:
        return Sentence(
            "Learning", f": loss {brief3(now)} where guessing costs {brief3(guess)}{also}."
        )
    if start is not None and now < NO_BETTER * start:
        return Sentence("Learning", f": loss {brief3(now)}, it began at {brief3(start)}{also}.")
    return Sentence(f"Loss {brief3(now)}", f"{also}.")


def window_of(loss: Curve) -> int:
    return min(max(len(loss.buckets) // 8, SHORTEST), LONGEST)


def recent(loss: Curve) -> float:
    """The mean of the last few buckets."""
    b = loss.buckets[-window_of(loss) :]
    return float(b[:, SUM].sum() / b[:, COUNT].sum())


def best_so_far(loss: Curve) -> float | None:
    """The best mean over as many buckets; None for a curve that is too short to have one."""
    b, n = loss.buckets, window_of(loss)
    if len(b) <= 2 * n:
        return None
    sums, counts = (b[:, column].cumsum() for column in (SUM, COUNT))
    means = (sums[n:] - sums[:-n]) / (counts[n:] - counts[:-n])
    return max(float(means.min()), 0.0) or None


def is_stuck(loss: Curve) -> bool:
    """Whether the last quarter of the steps made the loss less than 1 % better."""
    if len(loss.buckets) < ENOUGH:
        return False
    *_, before, last = loss.means(4)
    return before > 0 and last > STUCK * before


# The line of a terminal


def terminal_line(
    step: int,
    seconds: float,
    curves: Mapping[str, Curve],
    found: Sequence[Finding],
    rows: Sequence[Any],
    columns: int,
) -> str:
    """`step 2,911  loss 1.37 ▇▂▁▁▂█  accuracy 47.0 %  4,775 steps/s  ▲ 1 ReLU: 23 of 32 …`."""
    parts = [f"step {step:,}"]
    for name, curve in curves.items():
        if name != "rate" and (curve.last is not None or curve.broken is not None):
            parts.append(curve_text(name, curve))
    parts.append(f"{step / max(seconds, 1e-9):,.0f} steps/s")
    grave = [f for f in found if f.weight > 1]
    if grave:
        parts.append(f"{mark_of(grave[0].weight)} {grave[0].alone(rows)}")
    text = "  ".join(parts)
    return text if len(text) <= columns else text[: columns - 1] + "…"


def curve_text(name: str, curve: Curve) -> str:
    """`loss 0.21 ▇▃▁`; NaN from the first step on that was not finite."""
    if curve.broken is not None:
        value = curve.broken_value
    else:
        value = percent(curve.last) if name == "accuracy" else brief3(curve.last)
    return f"{name} {value}" + (f" {block_curve(curve.means(16))}" if name == "loss" else "")


def block_curve(values: Sequence[float]) -> str:
    """Values as blocks of eight heights.

    >>> block_curve([8, 4, 2, 1])
    '█▄▂▁'
    """
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    if low > 0 and high / low > DECADE:
        values = [math.log(value) for value in values]
        low, high = min(values), max(values)
    size = (high - low) or 1.0
    return "".join(BLOCKS[min(int(8 * (value - low) / size), 7)] for value in values)


def percent(x: Any) -> str:
    """0.934 ↦ 93.4 %."""
    return f"{100 * x:.{2 if 0.995 < x < 1 else 1}f} %"


def brief3(x: Any) -> str:
    """Three digits, 0.219, or all before the point, 8,698; huge and tiny numbers as in `brief`."""
    if 999.5 <= abs(x) < 1e5:
        return f"{x:,.0f}"
    return f"{x:.3g}" if 0.001 <= abs(x) < 1000 or x == 0 else brief(x)
