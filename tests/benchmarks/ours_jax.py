"""This engine, a step recorded once and compiled by XLA: the steps are those of ours_eager."""

from __future__ import annotations

import jax as jax

from .ours_eager import array as array
from .ours_eager import numpy as numpy
from .ours_replay import all_replayed

NAME = "ours, on JAX"

mlp, classifier, cnn, written_out, hvp, affine_chain, mix_chain = all_replayed("jax")
