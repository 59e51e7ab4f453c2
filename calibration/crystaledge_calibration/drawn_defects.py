"""Defects drawn into normal images, so that a range spans what a network is built to find and is never calibrated on.

Ranges taken from normal images alone cut off exactly what is anomalous: a blot that is brighter than anything normal
becomes as bright as normal. Blots pasted from elsewhere are learned from CutPaste (Li et al. 2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystaledge.preprocessing.preprocessor import normalisation_table
from crystaledge.preprocessing.spec import Preprocessing

Array = NDArray[np.float32]
_BLOTS = 3
"""In each image."""
_SMALLEST, _LARGEST = 1 / 24, 1 / 4
"""Sides of a blot as shares of the image's."""


def with_defects(rows: Array, preprocessing: Preprocessing, *, seed: tuple[int, ...]) -> Array:
    """Copies of preprocessed images `(N, 3, h, w)` with blots: black, white, in negative, or pasted from elsewhere."""
    table = normalisation_table(preprocessing)
    border = table.min(axis=1), table.max(axis=1)
    random = np.random.default_rng((*seed, 0xDEF))
    spoiled = rows.copy()
    for image in spoiled:
        for _ in range(_BLOTS):
            _spoil(image, border, random)
    return spoiled


def _spoil(image: Array, border: tuple[Array, Array], random: np.random.Generator) -> None:
    """Draw one blot into `(3, h, w)`."""
    low, high = (side[:, None, None] for side in border)
    blot = _place(image, random)
    kind = random.integers(4)
    if kind == 0:
        blot[...] = low
    elif kind == 1:
        blot[...] = high
    elif kind == 2:
        blot[...] = low + high - blot
    else:
        _, height, width = blot.shape
        y, x = (
            random.integers(0, whole - part + 1) for whole, part in zip(image.shape[1:], (height, width), strict=True)
        )
        blot[...] = image[:, y : y + height, x : x + width].copy()


def _place(image: Array, random: np.random.Generator) -> Array:
    """A rectangle somewhere in the image, as a view."""
    sides = [max(1, round(float(side * random.uniform(_SMALLEST, _LARGEST)))) for side in image.shape[1:]]
    y, x = (random.integers(0, whole - part + 1) for whole, part in zip(image.shape[1:], sides, strict=True))
    view: Array = image[:, y : y + sides[0], x : x + sides[1]]
    return view
