"""What a teacher said of each image, on disk, so that it is asked once.

One safetensors file that only its owner may read: landmarks and embeddings of faces are personal data. Rows are found
by the SHA-256 of the image's file, and the whole file belongs to one teacher and one way of cropping; a changed image
is a new row, and another teacher begins a new file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from crystaledge.errors import DataError
from crystaledge.files import write_atomic

_KEY = "crystaledge_lessons"
_LAYOUT = {"digest": (np.uint8, 2), "points": (np.float32, 3), "embedding": (np.float32, 3)}
"""Type and axes of each tensor."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a teacher says of `N` images."""

    points: Floats
    """`(N, 5, 2)` landmarks in crop pixels."""
    embedding: Floats
    """`(N, 2, E)`: of the clean chip and of its mirror image."""


class LessonCache:
    """Rows by image; nothing is written before `save`.

    Args:
        key: SHA-256 of what else decides a row: the teacher, the cropping.

    Raises:
        DataError: the file is damaged.
    """

    def __init__(self, path: Path, *, key: str) -> None:
        self.path = path
        self._key = key
        self._rows = _read(path, key) if path.exists() else {}

    def missing(self, digests: Sequence[str]) -> list[int]:
        """Places in `digests` of images that there is no row of."""
        return [i for i, digest in enumerate(digests) if digest not in self._rows]

    def add(self, digests: Sequence[str], lessons: Lessons) -> None:
        """Take up rows; what was known of these images is forgotten."""
        self._rows.update(zip(digests, zip(lessons.points, lessons.embedding, strict=True), strict=True))

    def of(self, digests: Sequence[str]) -> Lessons:
        """Rows of images in this order; every one has to be known."""
        rows = [self._rows[digest] for digest in digests]
        return Lessons(np.stack([points for points, _ in rows]), np.stack([embedding for _, embedding in rows]))

    def save(self, digests: Sequence[str]) -> None:
        """Write the rows of these images that are known, and no others: people left out of a run are forgotten."""
        known = [digest for digest in dict.fromkeys(digests) if digest in self._rows]
        lessons = self.of(known)
        digest = np.frombuffer(bytes.fromhex("".join(known)), np.uint8).reshape(len(known), -1)
        tensors: dict[str, NDArray[Any]] = {"digest": digest, "points": lessons.points, "embedding": lessons.embedding}
        metadata = {_KEY: json.dumps({"key": self._key})}
        write_atomic(self.path, save(tensors, metadata=metadata), private=True)


def _read(path: Path, key: str) -> dict[str, tuple[Floats, Floats]]:
    raw = path.read_bytes()
    try:
        length = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + length])
        found = json.loads(header["__metadata__"][_KEY])["key"]
        tensors = load(raw)
        digests, points, embedding = (_checked(tensors, name) for name in _LAYOUT)
        rows = dict(zip(map(bytes.hex, map(bytes, digests)), zip(points, embedding, strict=True), strict=True))
    except (SafetensorError, KeyError, TypeError, ValueError) as problem:
        msg = f"{path} is no record of a teacher ({problem}); remove it, and the teacher is asked again."
        raise DataError(msg) from problem
    return rows if found == key else {}


def _checked(tensors: dict[str, NDArray[Any]], name: str) -> NDArray[Any]:
    dtype, axes = _LAYOUT[name]
    tensor = tensors[name]
    if tensor.dtype != dtype or tensor.ndim != axes:
        msg = f"{name} is {tensor.dtype} of shape {tensor.shape}"
        raise ValueError(msg)
    return tensor
