"""One frame of a source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crystaledge.preprocessing.preprocessor import check_frame
from crystaledge.preprocessing.spec import ColorOrder


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture with its place in the source.

    Raises:
        DataError: the pixels are not a non-empty uint8 `(H, W, 3)` array.
    """

    pixels: NDArray[np.uint8]
    """uint8 `(H, W, 3)`."""
    color: ColorOrder
    index: int
    """Counts the source's frames from 0, across sequences."""
    sequence: str
    """Name of the sequence, which for a camera is the camera's; tracks never go from one to another."""
    time_s: float | None = None
    """When it was taken, in seconds on the source's own clock; None where the source has none."""

    def __post_init__(self) -> None:
        check_frame(self.pixels)


class Source(Protocol):
    """Anything that gives frames in order."""

    def __iter__(self) -> Iterator[Frame]: ...
