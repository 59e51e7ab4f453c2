"""Decoding of still images, strict about truncation. Needs OpenCV (extra `vision`)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import DataError

_MOST_DIGITS = 9
"""Of a width or height in a header that can be true."""
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".pgm", ".ppm", ".bmp"})


def list_images(folder: Path) -> list[Path]:
    """Image files directly inside `folder`, in natural order (`2.pgm` before `10.pgm`)."""
    found = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
    return sorted(found, key=_natural_key)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Decode one image file to uint8 `(H, W, 3)` in BGR order; grey is repeated three times.

    OpenCV fills the missing part of a truncated JPEG with grey and says nothing, so the end
    markers are checked first.

    Raises:
        DataError: the file is missing, empty, truncated, or no image.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"Cannot read the image {path}: {error.strerror}."
        raise DataError(msg) from error
    if not data or _is_truncated(data):
        msg = f"The image {path} is {'truncated' if data else 'empty'}; replace it or remove it from the folder."
        raise DataError(msg)
    pixels = _decode(data)
    if pixels is None or 0 in pixels.shape:
        msg = f"The file {path} cannot be decoded as an image; replace it or remove it from the folder."
        raise DataError(msg)
    return pixels


def _decode(data: bytes) -> NDArray[np.uint8] | None:
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if decoded is None else decoded.astype(np.uint8, copy=False)


def _is_truncated(data: bytes) -> bool:
    if data.startswith(b"\xff\xd8"):
        # Entropy-coded data never contains an end marker, and a thumbnail's comes before the scan.
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data
    if data[:2] in (b"P5", b"P6"):
        return _netpbm_is_short(data)
    return False


def _netpbm_is_short(data: bytes) -> bool:
    fields: list[int] = []
    position = 2
    while len(fields) < 3:
        while position < len(data) and data[position : position + 1].isspace():
            position += 1
        if data[position : position + 1] == b"#":
            position = data.find(b"\n", position)
            if position < 0:
                return True
            continue
        start = position
        while position < len(data) and data[position : position + 1].isdigit():
            position += 1
        if not 1 <= position - start <= _MOST_DIGITS:
            return True
        fields.append(int(data[start:position]))
    width, height, peak = fields
    needed = width * height * (3 if data[:2] == b"P6" else 1) * (2 if peak > 255 else 1)
    return len(data) - position - 1 < needed


def _natural_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    parts: list[tuple[int, int, str]] = []
    digits = ""
    for character in path.name + "\0":
        if character.isdecimal():
            digits += character
            continue
        if digits:
            parts.append((0, int(digits), digits))
            digits = ""
        parts.append((1, 0, character))
    return tuple(parts)
