"""This engine, a step recorded once and compiled by Numba: the steps are those of ours_eager."""

from __future__ import annotations

import numba as numba

from tinygrad_edu import replay

from . import ours_eager
from .ours_eager import array as array
from .ours_eager import numpy as numpy
from .workloads import Work

NAME = "ours, by Numba"


def mlp(work: Work) -> ours_eager.Step:
    return replay(ours_eager.mlp(work), backend="numba")


def classifier(work: Work) -> ours_eager.Step:
    return replay(ours_eager.classifier(work), backend="numba")


def cnn(work: Work) -> ours_eager.Step:
    return replay(ours_eager.cnn(work), backend="numba")


def written_out(work: Work) -> ours_eager.Step:
    return replay(ours_eager.written_out(work), backend="numba")


def hvp(work: Work) -> ours_eager.Step:
    return replay(ours_eager.hvp(work), backend="numba")


def affine_chain(work: Work) -> ours_eager.Step:
    return replay(ours_eager.affine_chain(work), backend="numba")


def mix_chain(work: Work) -> ours_eager.Step:
    return replay(ours_eager.mix_chain(work), backend="numba")
