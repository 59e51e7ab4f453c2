"""Ways to fuse observations that need no state of their own, in numpy; `crystaledge_training` has the same in torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from crystaledge_benchmarks.identity.networks import Array, Observations, Rows

CRYSTALLIZED = "crystallized"
MEAN = "mean"
QUALITY_WEIGHTED = "quality-weighted mean"
TRIMMED = "trimmed mean"
_TRIMMED_SHARE = 0.25

Fuse = Callable[[Observations, Rows], Array]
"""Rows of observations `(M, N)` to `(M, D)`, rows of length 1."""


def mean(seen: Observations, rows: Rows) -> Array:
    """What a loop without a state keeps: the running mean of unit-length embeddings."""
    return _unit(seen.unit[rows].mean(axis=1))


def trimmed_mean(seen: Observations, rows: Rows) -> Array:
    """Without the quarter that lies farthest from the mean; needs all observations at once. Two stay two."""
    unit = seen.unit[rows]
    nearness = (unit * unit.mean(axis=1, keepdims=True)).sum(axis=2)
    dropped = round(_TRIMMED_SHARE * rows.shape[1]) if rows.shape[1] > 2 else 0
    kept = np.argsort(-nearness, axis=1, kind="stable")[:, : rows.shape[1] - dropped]
    return _unit(np.take_along_axis(unit, kept[:, :, None], axis=1).mean(axis=1))


def quality_weighted_mean(seen: Observations, rows: Rows) -> Array:
    """Weighted by the network's own quality."""
    assert seen.quality is not None
    return _unit((seen.unit[rows] * seen.quality[rows][:, :, None]).sum(axis=1))


def fusings_of(seen: Observations) -> Mapping[str, Fuse]:
    """What can be done with these observations, by name."""
    weighted = {} if seen.quality is None else {QUALITY_WEIGHTED: quality_weighted_mean}
    return {MEAN: mean, **weighted, TRIMMED: trimmed_mean}


def mirrored(seen: Observations, mirror: Observations) -> Array:
    """Each crop's embedding and its mirror image's, added: one face at twice the cost."""
    return _unit(seen.unit + mirror.unit)


def _unit(rows: Array) -> Array:
    unit: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
