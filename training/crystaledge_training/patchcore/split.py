"""Which normal images the memory is made of, and which the threshold is chosen on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crystaledge.errors import DataError

FEWEST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedSplit:
    """No image is in both parts; each has at least one."""

    remembered: tuple[Path, ...]
    held_out: tuple[Path, ...]


def split_remembered(paths: Sequence[Path], *, holdout: float, seed: int) -> RememberedSplit:
    """Split normal images at random.

    Args:
        holdout: share of them that the threshold is chosen on.

    Raises:
        DataError: fewer than two images.
    """
    if len(paths) < FEWEST:
        msg = (
            f"There are {len(paths)} normal images to train on; a memory needs at least {FEWEST}, one to remember and "
            "one to choose the threshold on, and is worth little with fewer than 30."
        )
        raise DataError(msg)
    order = np.random.default_rng(seed).permutation(len(paths))
    count = min(max(1, round(len(paths) * holdout)), len(paths) - 1)
    held_out, remembered = (tuple(paths[row] for row in sorted(part)) for part in np.split(order, [count]))
    return RememberedSplit(remembered=remembered, held_out=held_out)
