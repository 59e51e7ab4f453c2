"""A stand-in for the comparison of pictures, so that it is known in advance what a window of looks says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.liveness import photo_check

UNCOMPARABLE = 255


class PlainReference:
    """The unexplained motion is what the picture says: its first value, in px^2, or that it cannot be compared."""

    pictures: list[NDArray[np.uint8]]
    """All that were looked at since `stand_in`, references too."""

    def __init__(self, face: NDArray[np.uint8]) -> None:
        self.kept = face.astype(np.float32)
        self.pictures.append(face)

    def unexplained_px2(self, face: NDArray[np.uint8]) -> float | None:
        self.pictures.append(face)
        value = int(face.flat[0])
        return None if value == UNCOMPARABLE else float(value)


def stand_in(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.uint8]]:
    """Put it in place; returns the list that each picture will be added to."""
    PlainReference.pictures = []
    monkeypatch.setattr(photo_check, "FaceReference", PlainReference)
    return PlainReference.pictures


def saying(px2: int) -> NDArray[np.uint8]:
    """A picture of that unexplained motion."""
    return np.full((2, 2, 3), px2, np.uint8)
