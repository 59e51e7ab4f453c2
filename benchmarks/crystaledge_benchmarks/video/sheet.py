"""Annotated frames of clips side by side in one picture. It shows real faces: written only where a user names it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import EngineError
from crystaledge.files import write_atomic

Pixels = NDArray[np.uint8]
PICTURES = 12
_ACROSS = 4
_WIDTH_PX = 480


def even_places(count: int, pictures: int = PICTURES) -> list[int]:
    """Indices of frames at even times, all different."""
    wanted = min(count, pictures)
    return [int((place + 0.5) * count / wanted) for place in range(wanted)]


def contact_sheet(pictures: Sequence[Pixels]) -> Pixels:
    """BGR pictures of any size, four in a row, each as wide as the others."""
    small = [cv2.resize(p, (_WIDTH_PX, round(p.shape[0] * _WIDTH_PX / p.shape[1]))) for p in pictures]
    height = max(picture.shape[0] for picture in small)
    rows = -(-len(small) // _ACROSS)
    sheet = np.zeros((rows * height, _ACROSS * _WIDTH_PX, 3), np.uint8)
    for place, picture in enumerate(small):
        y, x = place // _ACROSS * height, place % _ACROSS * _WIDTH_PX
        sheet[y : y + picture.shape[0], x : x + _WIDTH_PX] = picture
    return sheet


def write_sheet(path: Path, pictures: Sequence[Pixels]) -> None:
    """Write a PNG that its owner alone can read.

    Raises:
        EngineError: OpenCV cannot encode it.
    """
    good, data = cv2.imencode(".png", contact_sheet(pictures))
    if not good:
        msg = f"OpenCV could not make a PNG file of the contact sheet for {path}."
        raise EngineError(msg)
    write_atomic(path, data.tobytes(), private=True)
