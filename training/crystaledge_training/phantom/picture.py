"""Training pictures: pixels with the boxes of their faces, and the cuts and pastes they are made by."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float32]
GREY = 114
"""What lies outside of an image; the letterbox of the preprocessing has the same."""
_LEAST_SEEN = 0.4
"""A box of which less is left after a cut is neither a face nor background."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One image with its boxes."""

    pixels: Pixels
    """uint8 RGB `(H, W, 3)`."""
    box_xyxy: Boxes
    """float32 `(N, 4)` in pixels."""
    kind: NDArray[np.int64]
    """`(N,)`: 1 a face, 0 an ignored region."""


def cut(picture: Picture, *, centre_xy: tuple[float, float], scale: float, size_hw: tuple[int, int]) -> Picture:
    """The window of `size_hw` around a point of the picture, the picture being scaled by `scale` before."""
    height, width = size_hw
    pixels = picture.pixels
    if scale < 0.7:  # warping samples single pixels; a strong reduction goes through area means first
        pixels = _shrunk(pixels, scale)
    ratio = pixels.shape[1] / picture.pixels.shape[1], pixels.shape[0] / picture.pixels.shape[0]
    shift_x, shift_y = width / 2 - scale * centre_xy[0], height / 2 - scale * centre_xy[1]
    matrix = np.array([[scale / ratio[0], 0.0, shift_x], [0.0, scale / ratio[1], shift_y]])
    warped = cv2.warpAffine(pixels, matrix, (width, height), borderValue=(GREY, GREY, GREY))
    boxes = picture.box_xyxy * np.float32(scale) + np.array([shift_x, shift_y] * 2, np.float32)
    return clipped(Picture(warped.astype(np.uint8, copy=False), boxes, picture.kind))


def mirrored(picture: Picture) -> Picture:
    """Left and right exchanged."""
    width = np.float32(picture.pixels.shape[1])
    boxes = picture.box_xyxy.copy()
    boxes[:, 0], boxes[:, 2] = width - picture.box_xyxy[:, 2], width - picture.box_xyxy[:, 0]
    return Picture(np.ascontiguousarray(picture.pixels[:, ::-1]), boxes, picture.kind)


def mosaic(pictures: list[Picture]) -> Picture:
    """Four pictures of one size in a square (Bochkovskiy et al., YOLOv4, 2020)."""
    height, width = pictures[0].pixels.shape[:2]
    pixels = np.vstack([np.hstack([p.pixels for p in pictures[:2]]), np.hstack([p.pixels for p in pictures[2:]])])
    corners = ((0, 0), (width, 0), (0, height), (width, height))
    boxes = [p.box_xyxy + np.array([*c, *c], np.float32) for p, c in zip(pictures, corners, strict=True)]
    return Picture(pixels, np.concatenate(boxes), np.concatenate([p.kind for p in pictures]))


def _shrunk(pixels: Pixels, scale: float) -> Pixels:
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def clipped(picture: Picture) -> Picture:
    """Boxes cut at the borders; one of which little is left is ignored, one of which nothing is left is gone."""
    height, width = picture.pixels.shape[:2]
    boxes = picture.box_xyxy.copy()
    boxes[:, 0::2] = boxes[:, 0::2].clip(0, width)
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, height)
    before, after = _area(picture.box_xyxy), _area(boxes)
    seen = after > 1.0
    kind = np.where(after >= _LEAST_SEEN * before, picture.kind, 0)
    return Picture(picture.pixels, boxes[seen], kind[seen])


def _area(boxes: Boxes) -> NDArray[np.float32]:
    sides = (boxes[:, 2:] - boxes[:, :2]).clip(0)
    area: NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return area
