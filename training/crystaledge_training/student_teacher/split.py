"""Which normal images teach, which say when to stop, and which the threshold is chosen on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crystaledge.errors import DataError

FEWEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalSplit:
    """No image is in two of the parts; each has at least one."""

    training: tuple[Path, ...]
    watched: tuple[Path, ...]
    held_out: tuple[Path, ...]


def split_normal(paths: Sequence[Path], *, holdout: float, watched: float, seed: int) -> NormalSplit:
    """Split normal images at random.

    Args:
        holdout: share of all that the threshold is chosen on.
        watched: share of the rest that training is watched by.

    Raises:
        DataError: fewer than three images.
    """
    if len(paths) < FEWEST:
        msg = (
            f"There are {len(paths)} normal images; a student needs at least {FEWEST}, one to learn from, one to stop "
            "by and one to choose the threshold on, and is worth little with fewer than 50."
        )
        raise DataError(msg)
    order = np.random.default_rng(seed).permutation(len(paths))
    held_out = min(max(1, round(len(paths) * holdout)), len(paths) - 2)
    rest = len(paths) - held_out
    looked_at = min(max(1, round(rest * watched)), rest - 1)
    parts = np.split(order, [held_out, held_out + looked_at])
    kept_out, by, taught = (tuple(paths[row] for row in sorted(part)) for part in parts)
    return NormalSplit(training=taught, watched=by, held_out=kept_out)
