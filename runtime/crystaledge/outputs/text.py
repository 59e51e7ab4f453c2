"""Text on a picture that never leaves it: drawn on a tile of its own, which is then moved inside. Needs OpenCV."""

from __future__ import annotations

import unicodedata

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SMALLEST_SCALE = 0.38
"""About 10 px high; smaller letters cannot be read."""
_DRAWS_UNICODE = int(cv2.__version__.partition(".")[0]) >= 5
"""Before OpenCV 5 its fonts have ASCII letters alone."""
_LONGEST = 80


def put_label(picture: Pixels, text: str, corner_xy: tuple[int, int], colour: Colour, *, scale: float) -> None:
    """Draw text on a coloured tile above a corner; moved, made smaller or cut so that all of it is inside.

    Where not even one letter has room nothing is drawn.

    Args:
        picture: uint8 `(H, W, 3)`, drawn on.
        corner_xy: the tile's lower left corner, in pixels.
        colour: of the tile, in the picture's order of channels; letters are black or white, whichever is seen better.
        scale: OpenCV's font scale; 1 is about 27 px high.
    """
    height, width = picture.shape[:2]
    tile = _fitted_tile(printable(text), colour, scale, (height, width))
    if tile is None:
        return
    tile_height, tile_width = tile.shape[:2]
    left = min(max(corner_xy[0], 0), width - tile_width)
    top = min(max(corner_xy[1] - tile_height, 0), height - tile_height)
    picture[top : top + tile_height, left : left + tile_width] = tile


def printable(text: str) -> str:
    """What the font of this OpenCV can draw of a text: one line, at most 80 letters, accents left out if need be."""
    shown = "".join(letter for letter in text if letter.isprintable())
    if len(shown) > _LONGEST:
        shown = shown[: _LONGEST - 3] + "..."
    if _DRAWS_UNICODE:
        return shown
    return (
        "".join(part for part in unicodedata.normalize("NFKD", shown) if not unicodedata.combining(part))
        .encode("ascii", "replace")
        .decode("ascii")
    )


def _fitted_tile(text: str, colour: Colour, scale: float, room_hw: tuple[int, int]) -> Pixels | None:
    """The text's tile with the largest scale up to `scale` that has room; else as many letters as have room."""
    while text:
        height, width = _tile_size(text, scale)
        if height <= room_hw[0] and width <= room_hw[1]:
            return _tile(text, colour, scale)
        if scale > _SMALLEST_SCALE:
            scale = max(_SMALLEST_SCALE, min(0.9 * scale, scale * room_hw[1] / width))
        else:
            text = text[:-1]
    return None


def _tile_size(text: str, scale: float) -> tuple[int, int]:
    (width, height), below = cv2.getTextSize(text, _FONT, scale, _thickness(scale))
    return height + below + 2 * _margin(scale), width + 2 * _margin(scale)


def _tile(text: str, colour: Colour, scale: float) -> Pixels:
    height, width = _tile_size(text, scale)
    tile: Pixels = np.empty((height, width, 3), np.uint8)
    tile[...] = colour
    (_, ascent), _ = cv2.getTextSize(text, _FONT, scale, _thickness(scale))
    ink = (0, 0, 0) if sum(colour) > 3 * 110 else (255, 255, 255)
    origin = (_margin(scale), _margin(scale) + ascent)
    cv2.putText(tile, text, origin, _FONT, scale, ink, _thickness(scale), cv2.LINE_AA)
    return tile


def _thickness(scale: float) -> int:
    return max(1, round(2 * scale))


def _margin(scale: float) -> int:
    return max(1, round(4 * scale))
