"""This engine, a step recorded once and then replayed: the steps are those of ours_eager."""

from __future__ import annotations

from tinygrad_edu import replay

from . import ours_eager
from .ours_eager import array as array
from .ours_eager import numpy as numpy
from .workloads import Work

NAME = "ours, replayed"


def mlp(work: Work) -> ours_eager.Step:
    return replay(ours_eager.mlp(work))


def classifier(work: Work) -> ours_eager.Step:
    return replay(ours_eager.classifier(work))


def cnn(work: Work) -> ours_eager.Step:
    return replay(ours_eager.cnn(work))


def written_out(work: Work) -> ours_eager.Step:
    return replay(ours_eager.written_out(work))


def hvp(work: Work) -> ours_eager.Step:
    return replay(ours_eager.hvp(work))


def affine_chain(work: Work) -> ours_eager.Step:
    return replay(ours_eager.affine_chain(work))


def mix_chain(work: Work) -> ours_eager.Step:
    return replay(ours_eager.mix_chain(work))
