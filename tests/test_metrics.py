"""Metrics are their formulas, in whatever the numbers came; a Progress writes a line that tells."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tinygrad_edu.nn import metrics

from tinygrad_edu import Tensor, nn

LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20)
SCORES = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=12)


@given(LABELS)
def test_the_confusion_matrix_counts_pairs_and_its_diagonal_is_the_accuracy(pairs: Any) -> None:
    predicted, true = np.transpose(pairs)
    z = metrics.confusion_matrix(predicted, true, 4)
    assert z.tolist() == [[pairs.count((j, i)) for j in range(4)] for i in range(4)]
    assert metrics.accuracy(predicted, true) == np.trace(z) / len(pairs)


@given(SCORES)
def test_auc_is_the_part_of_pairs_in_the_right_order(examples: Any) -> None:
    yes, no = ([x for x, y in examples if y is kind] for kind in (True, False))
    if yes and no:
        pairs = [(a > b) + 0.5 * (a == b) for a in yes for b in no]
        scores, targets = np.transpose(examples)
        assert metrics.roc_auc(scores, targets) == pytest.approx(np.mean(pairs))


@given(SCORES)
def test_the_roc_curve_is_what_its_thresholds_give(examples: Any) -> None:
    x, y = np.transpose(examples)
    if 0 < y.sum() < len(y):
        for false, true, threshold in zip(*metrics.roc_curve(x, y), strict=True):
            assert false == np.mean(x[y == 0] >= threshold) and true == np.mean(
                x[y == 1] >= threshold
            )


def test_scores_count_by_their_greatest_and_top_all_is_everything() -> None:
    scores, labels = np.random.default_rng(0).normal(size=(50, 4)), np.arange(50) % 4
    assert metrics.top_k_accuracy(scores, labels, 1) == metrics.accuracy(scores, labels)
    assert metrics.accuracy(scores, labels) == metrics.accuracy(scores.argmax(axis=1), labels)
    assert metrics.top_k_accuracy(scores, labels, 4) == 1.0
    assert metrics.confusion_matrix(scores[:2], [0, 1]).shape == (4, 4)


def test_a_score_that_is_nan_is_not_among_the_greatest() -> None:
    assert metrics.top_k_accuracy([[np.nan, np.nan], [0.2, np.nan]], [1, 0], k=1) == 0.5


def test_r2_is_1_for_the_targets_and_0_for_their_mean() -> None:
    y = np.random.default_rng(0).normal(size=(20, 2))
    assert metrics.r2(Tensor(y, requires_grad=True), y) == 1.0
    assert metrics.r2(np.broadcast_to(y.mean(axis=0), y.shape), y) == pytest.approx(0)
    assert metrics.r2(y.tolist(), y * 2) < 1.0


# fmt: off
REFUSED = [
    (lambda: metrics.accuracy([1, 2], [[1], [2]]),              r"write array\[:, 0\]"),
    (lambda: metrics.accuracy([[0.5], [2.0]], [1, 0]),          "of one class"),
    (lambda: metrics.accuracy([0.2, 0.7], [0, 1]),              "write p > 0.5"),
    (lambda: metrics.accuracy(["a"], ["a"]),                    r"names\.index"),
    (lambda: metrics.accuracy([], []),                          "no example"),
    (lambda: metrics.confusion_matrix([0, 3], [0, 1], 2),       "from 0 to 1, found 0 to 3"),
    (lambda: metrics.r2(np.zeros((3, 1)), np.zeros(3)),         "reshape one of them"),
    (lambda: metrics.r2([1.0, 2.0], [3.0, 3.0]),                "all targets are equal"),
    (lambda: metrics.top_k_accuracy(np.zeros((2, 3)), [0, 1]),  "k=5"),
    (lambda: metrics.roc_curve([0.1, 0.2], [1, 1]),             "both classes"),
    (lambda: metrics.roc_auc([0.1, np.nan, np.nan], [1, 0, 1]), "2 of 3 are NaN"),
]
# fmt: on


@pytest.mark.parametrize("call, message", REFUSED, ids=[message for _, message in REFUSED])
def test_what_has_no_metric_is_refused_in_words(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines_of(batches: Any, file: io.StringIO, **options: Any) -> str:
    progress = nn.Progress(batches, "epoch 1", file=file, **options)
    for i, _ in enumerate(progress):
        progress.show(cost=Tensor(1 / (i + 1)), rate=0.01)
    return file.getvalue()


def test_a_log_file_gets_whole_lines_with_examples_cost_and_rate() -> None:
    loader = nn.DataLoader(np.zeros((10, 3)), batch_size=4)
    last = lines_of(loader, io.StringIO())
    assert last.startswith("epoch 1: 10/10 [00:00<00:00, ")
    assert last.endswith(" examples/s, cost=0.3333, rate=0.01]\n") and "\r" not in last
    assert lines_of(loader, io.StringIO(), seconds=0).count("\n") == 4  # after each, and at the end


def test_a_loop_that_is_left_says_how_far_it_came() -> None:
    file = io.StringIO()
    for i in (progress := nn.Progress(range(9), file=file)):
        progress.show(cost=i)
        if i == 3:
            break
    assert file.getvalue().startswith("3/9 [") and "cost=3" in file.getvalue()


def test_a_terminal_gets_one_line_that_changes() -> None:
    text = lines_of(nn.DataLoader(np.zeros((10, 3)), batch_size=4), Terminal())
    assert text.count("\n") == 1 and "\r" in text and "10/10" in text and "cost=0.3333" in text


def test_steps_of_what_has_no_length_are_counted() -> None:
    assert lines_of(iter("abc"), io.StringIO()).startswith("epoch 1: 3/? [")
