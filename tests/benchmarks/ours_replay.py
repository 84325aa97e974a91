"""This engine, a step recorded once and then replayed: the steps are those of ours_eager."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_edu import replay

from . import ours_eager
from .ours_eager import array as array
from .ours_eager import numpy as numpy
from .workloads import Work

NAME = "ours, replayed"
KINDS = (
    ours_eager.mlp,
    ours_eager.classifier,
    ours_eager.cnn,
    ours_eager.written_out,
    ours_eager.hvp,
    ours_eager.affine_chain,
    ours_eager.mix_chain,
)


def replayed(
    make: Callable[[Work], ours_eager.Step], backend: str
) -> Callable[[Work], ours_eager.Step]:
    return lambda work: replay(make(work), backend=backend)


def all_replayed(backend: str) -> list[Callable[[Work], ours_eager.Step]]:
    """The makers of every kind of step, in the order of KINDS."""
    return [replayed(make, backend) for make in KINDS]


mlp, classifier, cnn, written_out, hvp, affine_chain, mix_chain = all_replayed("numpy")
