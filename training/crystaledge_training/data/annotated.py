"""Images with boxes, whatever layout they were read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import DataError

BoxXyxy = tuple[float, float, float, float]

LONGEST_SIDE_PX = 1_000_000
"""No image is larger, and float32 holds every whole number up to here."""


class Split(Enum):
    """Part of a data set; the value is what the layouts call it."""

    TRAIN = "train"
    VALIDATION = "val"


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """One image file and its objects.

    Raises:
        DataError: misshapen arrays, an image without area, or a box without area or not inside the image.
    """

    path: Path
    size_hw: tuple[int, int]
    """Height and width of the image as annotated, in pixels."""
    box_xyxy: NDArray[np.float32]
    """float32 `(N, 4)`: x1, y1, x2, y2 in pixels, half-open, inside the image, each with area."""
    ignored: NDArray[np.bool_]
    """bool `(N,)`: neither positive nor negative, such as WIDER FACE's `invalid` and COCO's crowds."""

    def __post_init__(self) -> None:
        boxes, (height, width) = self.box_xyxy, self.size_hw
        if boxes.shape != (len(self.ignored), 4) or boxes.dtype != np.float32 or self.ignored.dtype != np.bool_:
            msg = (
                f"{str(self.path)!r} got boxes {boxes.dtype} {boxes.shape} and flags {self.ignored.dtype} "
                f"{self.ignored.shape}; expected float32 (N, 4) and bool (N,)."
            )
            raise DataError(msg)
        _require_size(self.path, self.size_hw)
        inside = (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= (width, height)).all()
        if not inside or not (boxes[:, 2:] > boxes[:, :2]).all():
            msg = f"{str(self.path)!r} has a box without area or outside its {width} x {height} px; see clamped_image."
            raise DataError(msg)


@dataclass(frozen=True, slots=True)
class AnnotatedSet:
    """One split of a data set."""

    root: Path
    images: tuple[AnnotatedImage, ...]
    """In the order of the annotation file; images without objects are among them."""
    description: str
    """One line for reports: layout, split, and counts."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A way to lay annotations out in a folder."""

    name: str
    expected: str
    """What a folder of this layout holds, for messages."""
    found_in: Callable[[Path], bool]
    """Whether a folder has this layout; looks at names alone."""
    read: Callable[[Path, Split, str | None], list[AnnotatedImage]]
    """Root, split, and the category of the objects wanted (None: all); raises DataError."""


def clamped_image(
    path: Path, size_hw: tuple[int, int], boxes: Sequence[BoxXyxy], ignored: Sequence[bool]
) -> AnnotatedImage:
    """Cut boxes at the borders of their image, and leave out those that have no area then.

    Args:
        boxes: x1, y1, x2, y2 in pixels, half-open; infinite values are cut, NaN is left out.

    Raises:
        DataError: the image has no area or is too large to be true.
    """
    _require_size(path, size_hw)
    height, width = size_hw
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    box_xyxy = np.clip(corners, 0.0, (width, height, width, height)).astype(np.float32)
    kept = (box_xyxy[:, 2:] > box_xyxy[:, :2]).all(axis=1)
    return AnnotatedImage(path, size_hw, box_xyxy[kept], np.array(ignored, np.bool_)[kept])


def _require_size(path: Path, size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    if not (1 <= height <= LONGEST_SIDE_PX and 1 <= width <= LONGEST_SIDE_PX):
        msg = f"{str(path)!r} is said to be {width} x {height} px; expected sides of 1 to {LONGEST_SIDE_PX} px."
        raise DataError(msg)
