"""Small films, written as a user's programs write them."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def drawn(index: int, size_hw: tuple[int, int] = (48, 64)) -> NDArray[np.uint8]:
    """A dark picture, a little brighter with each index, whose upper left quarter is light."""
    height, width = size_hw
    pixels = np.full((height, width, 3), 20 + 4 * index, np.uint8)
    pixels[: (height + 1) // 2, : (width + 1) // 2] = 230
    return pixels


def write_film(
    path: Path, pictures: list[NDArray[np.uint8]], *, codec: str, fps: float = 25.0, backend: int = cv2.CAP_FFMPEG
) -> Path:
    """Encode pictures, BGR `(H, W, 3)` or grey `(H, W)`; the container is that of the suffix."""
    height, width = pictures[0].shape[:2]
    fourcc = cv2.VideoWriter.fourcc(*codec)
    writer = cv2.VideoWriter(str(path), backend, fourcc, fps, (width, height), pictures[0].ndim == 3)
    assert writer.isOpened()
    for pixels in pictures:
        writer.write(pixels)
    writer.release()
    return path


def write_gif(path: Path, pictures: list[NDArray[np.uint8]], durations_ms: list[int]) -> Path:
    """Pictures in BGR, each shown for a time of its own: a variable frame rate."""
    images = [Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1])) for pixels in pictures]
    images[0].save(path, save_all=True, append_images=images[1:], duration=durations_ms)
    return path


def turned(mp4: bytes, height: int) -> bytes:
    """An MP4 whose track header tells players to turn it clockwise by a quarter.

    The matrix of `tkhd` is nine 32-bit fixed-point numbers after 40 bytes of version 0 (ISO/IEC 14496-12, 8.3.2).
    """
    start = mp4.index(b"tkhd") + 4
    assert mp4[start] == 0
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, height << 16, 0, 1 << 30)
    return mp4[: start + 40] + matrix + mp4[start + 76 :]
