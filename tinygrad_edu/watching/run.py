"""watch: a training, watched between its steps.

`log` appends what it is given, and now and then looks at the clock. When a frame is due, the
parameters are copied, one more step passes, and then looking.py looks. Nothing of this is part of
the step, and nothing that the step reads is changed: the weights are the same, watched or not.
"""

from __future__ import annotations

import atexit
import dataclasses
import sys
import weakref
import webbrowser
from collections.abc import Callable
from os import PathLike
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tinygrad_edu import nn
from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.core.marks import RECORDER
from tinygrad_edu.debugging.caller import line_of_the_user, source
from tinygrad_edu.watching.before import Before, median_change
from tinygrad_edu.watching.curves import Curve
from tinygrad_edu.watching.encoding import Snapshot, run_data
from tinygrad_edu.watching.frames import Frame
from tinygrad_edu.watching.health import Finding, Findings, Training, all_findings, mark_of
from tinygrad_edu.watching.kept import (
    FrameTable,
    Kept,
    checked_page_path,
    compare_runs,
    load_run,
)
from tinygrad_edu.watching.looking import Observer
from tinygrad_edu.watching.pace import Pace, superfluous
from tinygrad_edu.watching.sentence import Sentence, state_sentence
from tinygrad_edu.watching.terminal import TerminalLine

if TYPE_CHECKING:
    from tinygrad_edu.watching.server import LocalPage
    from tinygrad_edu.watching.widget import CellDisplay, MarimoDisplay

MEMORY = 4 * 2**20  # bytes of all frames
MOST_BYTES = 1_500_000  # of a file
FEWEST_FRAMES = 8  # however large they are
MOST_EVENTS = 100
USUAL_FRAMES = 16  # the frames that say what is usual in this run, the newest included
CHANGES = 11  # the frames that say whether gradients are added up


class Run:
    """A training that is watched. `watch` makes one, and the training's loop calls its `log`."""

    def __init__(self, name: str, pace: Pace, frames: int, save: Any = None) -> None:
        self.name, self.pace, self.most, self.path = name, pace, frames, save
        self.ticks: list[Any] = []  # the losses since the last flush
        self.others: list[tuple[int, str, Any]] = []
        self.until = 1  # the tick at which `log` looks at the clock
        self.steps, self.peak = 0, 0.0
        self.curves: dict[str, Curve] = {}
        self.before: Before | None = None  # what is kept while a step is awaited
        self.frames: list[Frame] = []
        self.events: list[dict[str, Any]] = []
        self.findings = Findings()
        self.found: list[Finding] = []  # in the last frame
        self.broken: set[str] = set()  # curves that are known not to be finite
        self.saved = -1  # the step of the last frame in the file
        self.listeners: list[Callable[[Snapshot], None]] = []
        self.terminal: TerminalLine | None = None
        self.page: LocalPage | None = None
        self.cell: CellDisplay | MarimoDisplay | None = None

    def begin(self, observer: Observer, optimizer: Any) -> None:
        """Take the frame before the first step."""
        self.observer, self.optimizer = observer, optimizer
        self.pace.start = self.pace.since = perf_counter()
        self.look(None)

    # In the loop

    def log(self, loss: Any = None, **values: Any) -> None:
        """Note the loss of a step, and other values; without a loss they belong to the step before.

        Tensors are taken as numbers: no graph is kept alive. RuntimeError within a recorded step.
        """
        if loss is not None:
            self.ticks.append(loss.data if loss.__class__ is Tensor else loss)
        if values:
            for name, x in values.items():
                self.others.append((len(self.ticks), name, x.data if isinstance(x, Tensor) else x))
        if len(self.ticks) >= self.until:
            self.ask_the_clock()

    def ask_the_clock(self) -> None:
        """End a frame whose step has passed, or begin one if it is due."""
        self.refuse_recording()
        ticks = len(self.ticks)
        if self.before is not None:
            self.look(self.before)
        elif later := self.pace.wait(ticks, self.pace.early(self.steps)):
            self.until = later
        else:
            self.await_step()

    def await_step(self) -> None:
        """Copy the parameters: the next step belongs to a frame."""
        began = perf_counter()
        self.before, self.until = self.observer.copies(), len(self.ticks) + 1
        self.pace.cost += perf_counter() - began

    def refuse_recording(self) -> None:
        if RECORDER.get() is not None:
            self.ticks, self.others = [], []
            raise RuntimeError(
                "run.log was called within a step that is being recorded\n"
                f"  {source(*line_of_the_user())}\n"
                "  Return the loss from the step, and log it in the loop: run.log(loss=step(x, y))"
            )

    def event(self, text: str) -> None:
        """Note that something happened at this step: it is kept, and shown from there on."""
        self.flush()
        self.note_event("note", str(text))

    def note_event(self, kind: str, text: str, detail: str = "", step: int | None = None) -> None:
        at = self.steps if step is None else step
        self.events.append({"step": at, "kind": kind, "text": text, "detail": detail})
        if len(self.events) > MOST_EVENTS:
            del self.events[MOST_EVENTS // 2]

    # What was logged

    def flush(self) -> None:
        """Put what was logged into the curves."""
        ticks, others, self.ticks, self.others = self.ticks, self.others, [], []
        self.until -= len(ticks)
        if ticks:
            steps = np.arange(1, len(ticks) + 1) + self.steps
            self.curve("loss").add(steps, [one_number("loss", x) for x in ticks])
        for tick, name, x in others:
            self.curve(name).add([self.steps + tick], [one_number(name, x)])
        self.steps += len(ticks)

    def curve(self, name: str) -> Curve:
        return self.curves.setdefault(name, Curve())

    def note_rate(self) -> float:
        """Add the learning rate to its curve; returns it as a share of its peak."""
        if self.optimizer is None:
            return 1.0
        rate = float(self.optimizer.param_groups[0]["lr"])
        self.peak = max(self.peak, rate)
        self.curve("rate").add([self.steps], [rate])
        return rate / self.peak if self.peak else 1.0

    # A frame

    def look(self, before: Before | None) -> None:
        """Take a frame; `before` is what was kept before the step that has just passed."""
        began = perf_counter()
        self.before = None
        self.flush()
        frame = self.observer.look(self.steps, self.pace.seconds(), before)
        self.frames.append(frame)
        if before is None and len(self.frames) > 1:
            self.keep_last_step()
        self.judge(frame)
        self.note_broken_curves()
        self.thin()
        self.tell()
        self.pace.spent(perf_counter() - began)
        self.until = 1
        if self.pace.early(self.steps) == 0:
            self.await_step()

    def judge(self, frame: Frame) -> None:
        """What stands out, and how the training stands."""
        flow, rate = self.observer.flow, self.note_rate()
        earlier = [each.stats for each in (*self.frames[:1], *self.frames[-USUAL_FRAMES:-1])]
        added = median_change([each.added for each in self.frames[-CHANGES:]])
        training = Training(rate, earlier, added, frame.idle)
        found = all_findings(frame.stats, flow.rows, training)
        self.findings.look(frame.step, found)
        self.found = self.findings.now(found)
        loss = self.frames[0].stats.get(flow.rows[-1].id, {}) if flow.rows else {}
        start = loss.get("value")
        fine = self.observer.last_finite[0]
        frame.sentence = state_sentence(frame.step, self.curves, flow.guess, start, rate, fine)

    def note_broken_curves(self) -> None:
        """An event for each curve that has ceased to be finite; for the loss, with its cause."""
        for name, curve in self.curves.items():
            if curve.broken is None or name in self.broken:
                continue
            self.broken.add(name)
            detail = self.observer.explain_not_finite() if name == "loss" else ""
            self.note_event("nan", f"{name} is {curve.broken_value}", detail, curve.broken)

    def thin(self) -> None:
        """Leave frames out, so that memory stays bounded."""
        each = max(frame.nbytes for frame in self.frames[-2:])
        leave_out(self.frames, self.events, min(self.most, MEMORY // max(each, 1)))

    def tell(self, last: bool = False) -> None:
        """Show the run as it is now, wherever it is shown."""
        if not self.listeners and self.terminal is None:
            return
        snapshot = self.snapshot()
        for listener in self.listeners:
            listener(snapshot)
        if self.terminal:
            self.terminal.show(snapshot, self.found, last)

    def snapshot(self) -> Snapshot:
        """The run as it is now; nothing in it changes any more."""
        shapes = {name: p.shape for name, p in self.observer.parameters.items()}
        return Snapshot(
            self.name,
            self.steps,
            tuple(self.frames),
            {name: curve.copy() for name, curve in self.curves.items()},
            self.observer.flow,
            shapes,
            self.findings.data(),
            [dict(event) for event in self.events],
            self.pace.overhead(),
        )

    def open(self) -> str:
        """Open the page of this run in a browser, fed while the training goes on.

        It is on 127.0.0.1, behind a token, and can only be read. Returns the address.
        """
        return open_page(self)

    # Afterwards

    def kept(self) -> Kept:
        """The run so far as a page, which no longer changes."""
        self.flush()
        return Kept((run_data(self.snapshot()),))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the run so far to one .html file, which needs nothing else to be seen.

        It has 1.5 MB at most: of many large frames those go that lie closest to others.
        """
        self.flush()
        kept_in_bounds(self.snapshot()).save(path)

    def table(self, step: int | None = None) -> FrameTable:
        """The numbers of the last frame that is no later than a step, by place."""
        return self.kept().table(step)

    def report(self) -> str:
        """How the training stands, and what stands out now: the sentences of page and terminal."""
        rows = self.observer.flow.rows
        lines = [f"{mark_of(f.weight)} {f.alone(rows)}" for f in self.found]
        return "\n".join([str(Sentence(*self.frames[-1].sentence)), *lines])

    def rewind(self) -> int:
        """Give the model the weights of the last frame in which all was finite; returns its step.

        Buffers come back too. What an optimizer has kept, such as a momentum, may still be NaN:
        go on with a new optimizer.
        """
        step, state = self.observer.last_finite
        self.observer.model.load_state_dict(state)
        return step

    def finish(self) -> None:
        """Take a last frame, and write the file. A `with` block, a cell and a script end so."""
        self.flush()
        if self.frames[-1].step < self.steps:
            self.look(None)
        self.end_displays()
        if self.saved == self.frames[-1].step:
            return
        self.saved = self.frames[-1].step
        told = ""
        if self.path is not None:
            kept = kept_in_bounds(self.snapshot())
            kept.save(self.path)
            size = len(kept.html.encode()) / 1024
            told = f"{self.path}: {self.steps:,} steps, {len(self.frames)} frames, {size:,.0f} KB"
        if self.terminal:
            self.terminal.show(self.snapshot(), self.found, last=True)
            self.terminal.end(told)

    def end_displays(self) -> None:
        if self.page:
            self.page.end()
        if self.cell:
            self.cell.end(self.snapshot())

    def keep_last_step(self) -> None:
        """A last frame has not seen its step: it shows that of the frame before."""
        self.frames[-1].idle = self.frames[-2].idle
        for name in self.observer.parameters:
            before = self.frames[-2].stats.get(name, {})
            if "ratio" in before and np.isfinite(self.frames[-1].stats[name]["rms"]):
                self.frames[-1].stats[name].setdefault("ratio", before["ratio"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.finish()

    def __repr__(self) -> str:
        return (
            f"<Run {self.name}: {self.steps + len(self.ticks):,} steps, {len(self.frames)} frames>"
        )


def leave_out(frames: list[Frame], events: list[dict[str, Any]], most: int) -> None:
    """Leave frames out until there are so many."""
    kept = {event["step"] for event in events}
    while len(frames) > max(most, FEWEST_FRAMES):
        del frames[superfluous([frame.step for frame in frames], kept)]


def kept_in_bounds(run: Snapshot) -> Kept:
    """A run as a page that is no larger than a file may be."""
    kept, frames = Kept((run_data(run),)), [*run.frames]
    while len(kept.html.encode()) > MOST_BYTES and len(frames) > FEWEST_FRAMES:
        share = MOST_BYTES / len(kept.html.encode())
        leave_out(frames, run.events, int(0.98 * share * len(frames)))
        kept = Kept((run_data(dataclasses.replace(run, frames=tuple(frames))),))
    return kept


def one_number(name: str, x: Any) -> float:
    """A logged value as a number. TypeError for what is none."""
    try:
        return float(np.asarray(x).reshape(()))
    except (TypeError, ValueError):
        what = f"an array of shape {x.shape}" if isinstance(x, np.ndarray) else f"{x!r:.60}"
        raise TypeError(f"log takes one number for each name, and found {name}={what}") from None


def watch(
    model: nn.Module,
    probe: Callable[[], Any] | None = None,
    optimizer: nn.optim.Optimizer | None = None,
    *,
    name: str | None = None,
    save: str | PathLike[str] | None = None,
    open: bool = False,
    terminal: bool = True,
    every: float = 0.2,
    frames: int = 200,
    share: float = 0.02,
) -> Run:
    """Watch a training: graph, outputs, gradients, weights and steps, in frames that are kept.

    `probe` computes the loss of a few fixed examples, as the step does. A frame is taken each
    `every` seconds, and all of them take at most this `share` of the time. The loop stays yours,
    and calls `run.log`; the weights are the same, watched or not. `save` names the file that is
    kept; `open` shows the page meanwhile; `terminal` writes a line to stderr.

    >>> model, x, cost = nn.Linear(2, 1), np.ones((4, 2), np.float32), nn.MSE()
    >>> watch(model, lambda: cost(model(x), x[:, :1]))
    <Run Linear: 0 steps, 1 frames>
    """
    checked_watch(model, probe, share, frames)
    if save is not None:  # what could fail at the end shall fail now
        checked_page_path(save).parent.mkdir(parents=True, exist_ok=True)
    run = Run(name or type(model).__name__, Pace(every, share), frames, save)
    observer = Observer(model, probe, sys._getframe(1).f_locals, run.note_event)
    run.begin(observer, optimizer)
    if "ipykernel" in sys.modules:
        show_in_cell(run)
    elif "marimo" in sys.modules and sys.modules["marimo"].running_in_notebook():
        show_in_marimo(run)
    elif terminal:
        run.terminal = TerminalLine()
        run.terminal.start(run.snapshot(), observer.flow.examples, save)
    if open:
        print(f"the page of {run.name}: {open_page(run)}", file=sys.stderr)
    atexit.register(finish_at_exit, weakref.ref(run))
    return run


def open_page(run: Run) -> str:
    """Serve the page of a run, if that has not begun, and show it in a browser."""
    from tinygrad_edu.watching.server import LocalPage

    if run.page is None:
        run.flush()
        run.page = LocalPage(run.snapshot())
        run.listeners.append(run.page.show)
    webbrowser.open_new_tab(run.page.url)
    return run.page.url


def show_in_cell(run: Run) -> None:
    """Show a run in the notebook's cell; it finishes, for now, when the cell has run."""
    from IPython import get_ipython

    from tinygrad_edu.watching.widget import CellDisplay

    run.cell = CellDisplay()
    run.cell.show(run.snapshot())
    run.listeners.append(run.cell.show)
    known = weakref.ref(run)
    get_ipython().events.register("post_run_cell", lambda result: finish_at_exit(known))


def show_in_marimo(run: Run) -> None:
    """Show a run below marimo's cell; `with` or `finish` puts the page there."""
    from tinygrad_edu.watching.widget import MarimoDisplay

    run.cell = MarimoDisplay()
    run.cell.show(run.snapshot())
    run.listeners.append(run.cell.show)


def checked_watch(model: Any, probe: Any, share: float, frames: int) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"watch takes an nn.Module, and got {model!r:.60}")
    if not any(True for _ in model.parameters()):
        raise ValueError(f"{type(model).__name__} has no parameters: there is nothing to watch")
    if probe is not None and not callable(probe):
        raise TypeError(
            f"the probe is a function without arguments, and not {probe!r:.60}: "
            "watch(model, lambda: cost(model(x[:64]), y[:64]))"
        )
    if not 0 < share <= 1 or frames < FEWEST_FRAMES:
        raise ValueError(
            f"expected 0 < share ≤ 1 and frames ≥ {FEWEST_FRAMES}, found share={share}, "
            f"frames={frames}"
        )


def finish_at_exit(run: weakref.ref[Run]) -> None:
    if (found := run()) is not None:
        found.finish()


watch.load, watch.compare = load_run, compare_runs  # type: ignore[attr-defined]
