"""This engine, a step recorded once and compiled by XLA: the steps are those of ours_eager."""

from __future__ import annotations

import jax as jax

from tinygrad_edu import replay

from . import ours_eager
from .ours_eager import array as array
from .ours_eager import numpy as numpy
from .workloads import Work

NAME = "ours, on JAX"


def mlp(work: Work) -> ours_eager.Step:
    return replay(ours_eager.mlp(work), backend="jax")


def classifier(work: Work) -> ours_eager.Step:
    return replay(ours_eager.classifier(work), backend="jax")


def cnn(work: Work) -> ours_eager.Step:
    return replay(ours_eager.cnn(work), backend="jax")


def written_out(work: Work) -> ours_eager.Step:
    return replay(ours_eager.written_out(work), backend="jax")


def hvp(work: Work) -> ours_eager.Step:
    return replay(ours_eager.hvp(work), backend="jax")


def affine_chain(work: Work) -> ours_eager.Step:
    return replay(ours_eager.affine_chain(work), backend="jax")


def mix_chain(work: Work) -> ours_eager.Step:
    return replay(ours_eager.mix_chain(work), backend="jax")
