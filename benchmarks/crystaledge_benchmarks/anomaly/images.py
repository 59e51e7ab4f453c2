"""Images of a set as frames in memory, so that decoding is not measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from crystaledge.sources.images import read_image


def frames_of(paths: Sequence[Path], *, sequence: str = "line") -> list[Frame]:
    """One frame an image file, in order."""
    return [Frame(read_image(path), ColorOrder.BGR, index, sequence) for index, path in enumerate(paths)]
