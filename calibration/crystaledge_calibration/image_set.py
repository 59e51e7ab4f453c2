"""A set of images for graphs without state: each is a sequence of length one, seen in all octaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.files import sha256_of
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge.sources.images import list_images, read_image
from crystaledge_calibration.clips import SourceFile
from crystaledge_calibration.records import SequenceSetRecord, SequenceSource
from crystaledge_calibration.sequence_set import Batch

Array = NDArray[np.float32]
FEWEST_IMAGES = 2
"""One to calibrate with, one to choose by."""
_BATCH = 32
_ENOUGH = 16
"""Images whose cells, some thousands each, give a mean."""
_SUBFOLDER = "images"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """Chosen image files."""

    files: tuple[SourceFile, ...]
    """Labels are paths."""
    octaves: int
    """Levels of the pyramid, each half the size of the one before."""
    seed: int

    def __len__(self) -> int:
        return len(self.files)

    def record(self) -> SequenceSetRecord:
        """What a bundle keeps of the set: hashes, no names."""
        hashes = [file.sha256 for file in self.files]
        return SequenceSetRecord(
            source=SequenceSource.IMAGES,
            sequences=len(hashes),
            steps=1,
            seed=self.seed,
            too_short=0,
            sha256=sha256_of("\n".join([*hashes, f"{self.octaves} octaves"]).encode()),
            files=tuple(sorted(set(hashes))),
        )

    def rows(self, preprocessing: Preprocessing, *, size: int = _BATCH) -> Iterator[Array]:
        """Whole images as tensor rows `(N, 3, h, w)`, preprocessed as the manifest says, `size` at a time."""
        preprocessor = Preprocessor(preprocessing)
        for start in range(0, len(self.files), size):
            paths = [Path(file.label) for file in self.files[start : start + size]]
            yield np.stack([preprocessor(read_image(path), ColorOrder.BGR) for path in paths])

    def batches(self, preprocessing: Preprocessing) -> Iterator[Batch]:
        """Batches of one step; each octave of some images is a batch of its own."""
        for rows in self.rows(preprocessing):
            for level in octaves_of(rows, self.octaves):
                yield Batch(level, np.arange(len(level))[None])

    def split(self, *, every: int) -> tuple[ImageSet, ImageSet]:
        """(the others, every n-th image): one part to calibrate with, the other to choose by."""
        chosen = self.files[every - 1 :: every]
        others = tuple(file for i, file in enumerate(self.files) if i % every != every - 1)
        return replace(self, files=others), replace(self, files=chosen)

    def excerpt(self, *, sequences: int, steps: int) -> ImageSet:
        """At most so many of the first images, and few: the cells of one make up for steps."""
        return replace(self, files=self.files[: min(sequences, _ENOUGH)])


def octaves_of(rows: Array, octaves: int) -> list[Array]:
    """`(N, 3, h, w)` and its halves; each pixel is the mean of four of the octave before."""
    levels = [rows]
    for _ in range(octaves - 1):
        n, channels, height, width = levels[-1].shape
        quads = levels[-1].reshape(n, channels, height // 2, 2, width // 2, 2)
        levels.append(np.ascontiguousarray(quads.mean(axis=(3, 5), dtype=np.float32)))
    return levels


def choose_images(
    data: str,
    *,
    images: int,
    octaves: int,
    seed: int,
    without: frozenset[str] = frozenset(),
    progress: Callable[[int], object] = lambda done: None,
) -> ImageSet:
    """Draw image files from a folder, or from its subfolder `images`.

    Args:
        images: at most so many.
        without: SHA-256 of files that must not be drawn.
        progress: told how many files were read since the last call.

    Raises:
        DataError: there are fewer than two to draw from.
    """
    files: dict[str, SourceFile] = {}
    for path in _image_paths(Path(data)):
        file = SourceFile(str(path), sha256_of(path.read_bytes()))
        files.setdefault(file.sha256, file)
        progress(1)
    usable = [file for file in files.values() if file.sha256 not in without]
    if min(len(usable), images) < FEWEST_IMAGES:
        left = f", of which {len(files) - len(usable)} calibrated the graph" if without else ""
        msg = (
            f"{data} holds {len(files)} different images{left}; at least {FEWEST_IMAGES} are needed. Give more images."
        )
        raise DataError(msg)
    order = np.random.default_rng((seed, len(usable))).permutation(len(usable))[:images]
    return ImageSet(files=tuple(usable[i] for i in sorted(order.tolist())), octaves=octaves, seed=seed)


def _image_paths(folder: Path) -> list[Path]:
    for place in (folder, folder / _SUBFOLDER):
        found = list_images(place) if place.is_dir() else []
        if found:
            return found
    msg = f"{folder} holds no images, nor does {folder / _SUBFOLDER}; a detector is calibrated and verified on images."
    raise DataError(msg)
