"""What stands out in a frame: each rule is a function that yields a sentence, or nothing.

The thresholds are rules of thumb. A step of about 1e-3 of the weights is healthy (Stanford's
CS231n; Karpathy, makemore 3); a unit behind |tanh| > 0.97 hardly learns (Karpathy; Glorot & Bengio
2010); half of the units dead is neurolens's alarm. Its alarm at steps of 5 % is one at 20 % here:
trainings that end well begin with 7 to 17 %. Its alarm at gradients longer than 100 is none: their
length has the loss's units, and Adam's steps do not follow it. What is said holds for the examples
that are watched.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tinygrad_edu.graph.expression import short_exponent
from tinygrad_edu.watching.before import Added
from tinygrad_edu.watching.flow import Row

NOTE, WARNING, BROKEN = 1, 2, 3
FEW_DEAD, MANY_DEAD = 0.1, 0.5  # share of the units
SATURATED = 0.5  # share of the outputs
EXPLODING = 100.0  # times as long as the gradients before: up to 87 where a plateau ends
VANISHING = 1e-4  # the first weight's gradient, as a share of the last's
STEP_TOO_LARGE, STEP_TOO_SMALL = 0.2, 1e-6  # of the weights
SCHEDULED = 0.01  # a rate below this share of its peak is small on purpose
# Of gradients that are added up: ‖change‖ / ‖gradient‖, its size beside the examples' gradient, and
# the cosine. Where they are zeroed, so small a change is below a quarter of the examples' gradient
ADDED_SHARE, ADDED_SIZE, ADDED_LIKENESS = 0.3, (0.3, 3.0), 0.2
PATIENCE_FRAMES = 3  # in a row, before a finding begins; and without it, before it ends

Numbers = Mapping[str, Any]  # of one place: {"rms": 0.1, …}


class Finding(NamedTuple):
    """A sentence about a row, or about one of its parameters."""

    place: str  # the row's id
    rule: str
    weight: int
    text: str
    parameter: str = ""

    @property
    def at_row(self) -> str:
        """The sentence where the row is seen: `weight: its gradient …`."""
        return f"{last_part(self.parameter)}: {self.text}" if self.parameter else self.text

    def alone(self, rows: Iterable[Row]) -> str:
        """The sentence by itself: `0.weight: its gradient …`, `1 ReLU: 23 of 32 units …`."""
        titles = {row.id: row_title(row) for row in rows}
        return f"{self.parameter or titles.get(self.place, self.place)}: {self.text}"


class Training(NamedTuple):
    """What is known of a training beside the newest frame's numbers."""

    rate: float = 1.0  # the learning rate as a share of its peak
    earlier: Sequence[Mapping[str, Numbers]] = ()  # the first frame's numbers, and the last ones'
    added: Added | None = None  # how the gradients have changed since the step before
    idle: Sequence[str] = ()  # the kinds of Modules that a step in train() would have changed


USUAL = Training()


def all_findings(
    stats: Mapping[str, Numbers], rows: Sequence[Row], training: Training = USUAL
) -> list[Finding]:
    """All that stands out."""
    lost = [row for row in rows if has_lost_parameters(stats, row)]
    found = list(lost_parameters(lost))
    for row in rows:
        if row in lost:
            continue
        found += [*dead_units(row, stats.get(row.id, {})), *saturated(row, stats.get(row.id, {}))]
        found += nothing_arrives(row, stats)
        for name in row.parameters:
            found += lost_gradient(row, name, stats.get(name, {}))
            found += step_size(row, name, stats.get(name, {}), training)
    found += [*vanishing(rows, stats), *standing_still(rows, stats, training)]
    return [*found, *added_up(rows, training.added), *in_eval(rows, stats, training.idle)]


# Not finite


def has_lost_parameters(stats: Mapping[str, Numbers], row: Row) -> bool:
    return any(not math.isfinite(stats.get(p, {}).get("rms", 0.0)) for p in row.parameters)


def lost_parameters(rows: Sequence[Row]) -> Iterator[Finding]:
    for row in rows:
        others = ""
        if row is rows[0] and len(rows) > 1:
            plural = "s" if len(rows) > 2 else ""
            others = f", and so are those of {len(rows) - 1} other module{plural}"
        yield Finding(row.id, "nan", BROKEN, f"parameters are not finite{others}")


# Units


def dead_units(row: Row, numbers: Numbers) -> Iterator[Finding]:
    """Units behind a ReLU that are 0 for every example: no gradient comes through them."""
    dead, of = numbers.get("dead", 0), numbers.get("of", 0)
    if not of or dead / of < FEW_DEAD:
        return
    who = f"all {of} units are" if dead == of else f"{dead} of {of} units {are(dead)}"
    what = f"{who} 0 for all {numbers['examples']:,} examples"
    if dead / of >= MANY_DEAD:
        text = f"{what}, and nothing flows back through them: try a smaller rate"
        yield Finding(row.id, "dead", WARNING, text)
    else:
        yield Finding(row.id, "dead", NOTE, f"{what}: what feeds them no longer learns")


def saturated(row: Row, numbers: Numbers) -> Iterator[Finding]:
    """Outputs of a sigmoid or tanh where the curve is flat: its slope is almost 0 there.

    The model's own answers are not judged: where 0 and 1 are right, they shall be there.
    """
    share = numbers.get("saturated", 0.0)
    if share >= SATURATED and not row.is_answer:
        text = (
            f"{share:.0%} of the outputs lie where the curve is flat, and let almost nothing back: "
            "begin with smaller weights"
        )
        yield Finding(row.id, "saturated", WARNING, text)


# Gradients


def nothing_arrives(row: Row, stats: Mapping[str, Numbers]) -> Iterator[Finding]:
    zero = [last_part(p) for p in row.parameters if stats.get(p, {}).get("norm") == 0]
    if zero:
        verb = "receive" if len(zero) > 1 else "receives"
        text = f"{' and '.join(zero)} {verb} a gradient of exactly 0: nothing of the loss arrives"
        yield Finding(row.id, "nothing", WARNING, text)


def lost_gradient(row: Row, name: str, numbers: Numbers) -> Iterator[Finding]:
    if not math.isfinite(numbers.get("norm", 0.0)):
        yield Finding(row.id, "nan", BROKEN, "its gradient is not finite", name)


def added_up(rows: Sequence[Row], added: Added | None) -> Iterator[Finding]:
    """Whether the gradients are those of the step before, and one step's own."""
    least, most = ADDED_SIZE
    if not added or added.share >= ADDED_SHARE or added.likeness <= ADDED_LIKENESS:
        return
    if least < added.size < most:
        text = "each step's gradient is added to those before it: is zero_grad() called?"
        yield Finding(first_with_parameters(rows).id, "added", WARNING, text)


def vanishing(rows: Sequence[Row], stats: Mapping[str, Numbers]) -> Iterator[Finding]:
    """Whether the first weight's gradient is tiny beside the last's."""
    found = [
        (row, name, stats[name]["norm"])
        for row in rows
        for name in row.parameters
        if not is_bias(name) and stats.get(name, {}).get("norm")
    ]
    if len(found) < 3:
        return
    (row, name, first), (*_, last) = found[0], found[-1]
    if first / last < VANISHING:
        text = (
            f"its gradient is {brief(first / last)} of the last layer's: it fades on the way back"
        )
        yield Finding(row.id, "vanishing", WARNING, text, name)


# Steps


def step_size(row: Row, name: str, numbers: Numbers, training: Training) -> Iterator[Finding]:
    """How far a step moves a weight; a bias may start at 0, and is not judged."""
    ratio, norm = numbers.get("ratio"), numbers.get("norm")
    if ratio is None or not norm or is_bias(name):
        return
    longer = norm / usual_norm(name, training.earlier, norm)
    if ratio > STEP_TOO_LARGE and longer > EXPLODING:
        text = (
            f"its gradient is {brief(longer)} times as long as before, and a step changes it by "
            f"{ratio:.0%}: clip it, or lower the rate"
        )
        yield Finding(row.id, "exploding", WARNING, text, name)
    elif ratio > STEP_TOO_LARGE:
        text = f"a step changes it by {ratio:.0%}: the rate is too large here"
        yield Finding(row.id, "large", WARNING, text, name)
    elif 0 < ratio < STEP_TOO_SMALL and training.rate >= SCHEDULED:
        text = f"a step changes it by {brief(ratio)} of its size: the rate is too small here"
        yield Finding(row.id, "small", NOTE, text, name)


def usual_norm(name: str, earlier: Sequence[Mapping[str, Numbers]], otherwise: float) -> float:
    """The median length of a parameter's gradients before."""
    norms = [norm for stats in earlier if (norm := stats.get(name, {}).get("norm"))]
    return statistics.median(norms) if norms else otherwise


def standing_still(
    rows: Sequence[Row], stats: Mapping[str, Numbers], training: Training
) -> Iterator[Finding]:
    """Parameters that receive a gradient, and have moved neither in this step nor before."""
    if training.rate < SCHEDULED:
        return
    found = {
        row.id: [name for name in row.parameters if is_still(name, stats, training.earlier)]
        for row in rows
    }
    still = [name for names in found.values() for name in names]
    if still and all(name in still for row in rows for name in row.parameters if name in stats):
        text = (
            "nothing moves, here or elsewhere: is optimizer.step() called, with these parameters?"
        )
        yield Finding(first_with_parameters(rows).id, "still", WARNING, text)
        return
    for place, names in found.items():
        if names:
            who = " and ".join(map(last_part, names))
            verb = "do" if len(names) > 1 else "does"
            text = f"{who} {verb} not move: has the optimizer these parameters?"
            yield Finding(place, "still", NOTE, text)


def is_still(
    name: str, stats: Mapping[str, Numbers], earlier: Sequence[Mapping[str, Numbers]]
) -> bool:
    """Whether a parameter has its first size yet: an optimizer may step once for many losses."""
    now = stats.get(name, {})
    before = [known[name]["rms"] for known in earlier if name in known]
    is_told = bool(now.get("norm")) and now.get("ratio") == 0
    return is_told and all(rms == now.get("rms") for rms in before)


def in_eval(
    rows: Sequence[Row], stats: Mapping[str, Numbers], idle: Sequence[str]
) -> Iterator[Finding]:
    """Whether a step has moved parameters, and no Dropout drew, no BatchNorm counted."""
    if idle and any(known.get("ratio") for known in stats.values()):
        kinds = f"{' and '.join(idle)} {are(len(idle))} not at work"
        text = f"the model is in eval() while it trains, and {kinds}: call model.train()"
        yield Finding(first_with_parameters(rows).id, "eval", NOTE, text)


# Over the frames


class Findings:
    """What stood out from which frame to which: a rule has to hold for 3 frames in a row."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.closed: list[dict[str, Any]] = []

    def look(self, step: int, found: Iterable[Finding]) -> None:
        now = {(f.place, f.rule, f.parameter): f for f in found}
        for key, finding in now.items():
            known = self.open.get(key)
            if known is None or (known["gone"] and not confirmed(known)):
                known = self.open[key] = new_span(finding, step)
            known["gone"], known["to"] = 0, step
            known["seen"] += 1
            if known["texts"][-1][1:] != [finding.weight, finding.at_row]:
                known["texts"].append([step, finding.weight, finding.at_row])
        for key in [key for key in self.open if key not in now]:
            self.open[key]["gone"] += 1
            if self.open[key]["gone"] >= PATIENCE_FRAMES:
                ended = self.open.pop(key)
                self.closed += [ended] if confirmed(ended) else []

    def now(self, found: Iterable[Finding]) -> list[Finding]:
        """Those that have held long enough, the gravest first."""
        seen = [f for f in found if self.is_known(f)]
        return sorted(seen, key=lambda f: -f.weight)

    def is_known(self, finding: Finding) -> bool:
        key = finding.place, finding.rule, finding.parameter
        return key in self.open and confirmed(self.open[key])

    def data(self) -> list[dict[str, Any]]:
        """All that held long enough, by where it began, for a page."""
        kept = self.closed + [span for span in self.open.values() if confirmed(span)]
        keys = ("place", "rule", "from", "to", "texts")
        spans = [{key: span[key] for key in keys} for span in kept]
        return [{**span, "texts": list(span["texts"])} for span in sort_spans(spans)]


def new_span(finding: Finding, step: int) -> dict[str, Any]:
    texts = [[step, finding.weight, finding.at_row]]
    names = {"place": finding.place, "rule": finding.rule, "weight": finding.weight}
    return {**names, "from": step, "to": step, "texts": texts, "gone": 0, "seen": 0}


def confirmed(span: Mapping[str, Any]) -> bool:
    return bool(span["seen"] >= PATIENCE_FRAMES or span["weight"] == BROKEN)


def sort_spans(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(spans, key=lambda span: span["from"])


# Words


def mark_of(weight: int) -> str:
    """● note, ▲ warning, ✕ not finite."""
    return "●▲✕"[weight - 1]


def first_with_parameters(rows: Sequence[Row]) -> Row:
    return next(row for row in rows if row.parameters)


def is_bias(name: str) -> bool:
    return "bias" in last_part(name) or last_part(name) == "b"


def last_part(name: str) -> str:
    return name.rpartition(".")[2]


def row_title(row: Row) -> str:
    return f"{row.name} {row.kind}" if row.role == "module" else row.name


def are(count: int) -> str:
    return "is" if count == 1 else "are"


def brief(x: float) -> str:
    """Two digits, 0.22; one where the number is tiny or huge, 3e-5.

    >>> brief(0.2199), brief(0.00003), brief(123456.0)
    ('0.22', '3e-5', '1e5')
    """
    is_short = 0.01 <= abs(x) < 1000 or x == 0
    return f"{float(f'{x:.2g}'):g}" if is_short else short_exponent(f"{x:.0e}")
