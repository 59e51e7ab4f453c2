"""A set of images for graphs without state: each is a sequence of length one, seen in all octaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.files import sha256_of
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge.sources.images import read_image
from crystaledge_calibration.clips import SourceFile
from crystaledge_calibration.drawn_defects import with_defects
from crystaledge_calibration.image_folders import Purpose, find_images
from crystaledge_calibration.one_colour import refuse_one_colour
from crystaledge_calibration.records import SequenceSetRecord, SequenceSource
from crystaledge_calibration.sequence_set import Batch

Array = NDArray[np.float32]
FEWEST_IMAGES = 2
"""One to calibrate with, one to choose by."""
_BATCH = 32
_MOST_PIXELS = _BATCH * 256 * 256
"""Of a batch: larger images come in smaller ones."""
_ENOUGH = 16
"""Images whose cells, some thousands each, give a mean."""


@dataclass(frozen=True, slots=True)
class ImageFile(SourceFile):
    """An image; its label is its path."""

    normal: bool | None = None
    """Whether its folder says that nothing is wrong with it; None where no folder says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """Chosen image files."""

    files: tuple[ImageFile, ...]
    octaves: int
    """Levels of the pyramid, each half the size of the one before."""
    seed: int
    defects: bool = False
    """Each image is shown a second time with defects drawn into it; see `with_defects`."""

    def __len__(self) -> int:
        return len(self.files)

    def record(self) -> SequenceSetRecord:
        """What a bundle keeps of the set: hashes, no names."""
        source = SequenceSource.SPOILED_IMAGES if self.defects else SequenceSource.IMAGES
        lines = [*(file.sha256 + _LABELS[file.normal] for file in self.files), f"{self.octaves} octaves"]
        lines += [source.value] if self.defects else []
        return SequenceSetRecord(
            source=source,
            sequences=len(self.files),
            steps=1,
            seed=self.seed,
            too_short=0,
            sha256=sha256_of("\n".join(lines).encode()),
            files=tuple(sorted({file.sha256 for file in self.files})),
        )

    def rows(self, preprocessing: Preprocessing) -> Iterator[Array]:
        """Whole images as tensor rows `(N, 3, h, w)`, preprocessed as the manifest says, 32 or fewer at a time.

        Raises:
            DataError: an image cannot be read, or is of one colour.
        """
        preprocessor = Preprocessor(preprocessing)
        for start, files in self._chunks(preprocessing.size_hw):
            rows = np.stack([_row(file, preprocessor) for file in files])
            if self.defects:
                rows = np.concatenate([rows, with_defects(rows, preprocessing, seed=(self.seed, start))])
            yield rows

    def _chunks(self, size_hw: tuple[int, int]) -> Iterator[tuple[int, tuple[ImageFile, ...]]]:
        """So many files that a batch is no larger than it may be, with the number of the first."""
        shown = 2 if self.defects else 1
        most = max(min(_MOST_PIXELS // (size_hw[0] * size_hw[1]), _BATCH) // shown, 1)
        for start in range(0, len(self.files), most):
            yield start, self.files[start : start + most]

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

    def first(self, most: int | None) -> ImageSet:
        """The first of the images; None for all."""
        return replace(self, files=self.files[:most])

    def excerpt(self, *, sequences: int, steps: int) -> ImageSet:
        """At most so many of the first images, and few: the cells of one make up for steps."""
        return self.first(min(sequences, _ENOUGH))


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
    purpose: Purpose,
    defects: bool = False,
    without: frozenset[str] = frozenset(),
    progress: Callable[[int], object] = lambda done: None,
) -> ImageSet:
    """Draw image files from a folder; see `find_images`.

    Args:
        images: at most so many.
        purpose: which half of a folder in MVTec's layout is meant.
        defects: show each a second time with defects drawn into it.
        without: SHA-256 of files that must not be drawn.
        progress: told how many files were read since the last call.

    Raises:
        DataError: there are fewer than two to draw from, or one is normal in one folder and anomalous in another.
    """
    files: dict[str, ImageFile] = {}
    for path, normal in find_images(Path(data), purpose):
        file = ImageFile(str(path), sha256_of(path.read_bytes()), normal)
        _refuse_contradiction(files.setdefault(file.sha256, file), file)
        progress(1)
    usable = [file for file in files.values() if file.sha256 not in without]
    if min(len(usable), images) < FEWEST_IMAGES:
        left = f", of which {len(files) - len(usable)} calibrated the graph" if without else ""
        msg = (
            f"{data} holds {len(files)} different images{left}; at least {FEWEST_IMAGES} are needed. Give more images."
        )
        raise DataError(msg)
    order = np.random.default_rng((seed, len(usable))).permutation(len(usable))[:images]
    drawn = tuple(usable[i] for i in sorted(order.tolist()))
    return ImageSet(files=drawn, octaves=octaves, seed=seed, defects=defects)


_LABELS: Mapping[bool | None, str] = {None: "", True: " normal", False: " anomalous"}


def _row(file: ImageFile, preprocessor: Preprocessor) -> Array:
    pixels = read_image(Path(file.label))
    refuse_one_colour(pixels, where=file.label)
    return preprocessor(pixels, ColorOrder.BGR)


def _refuse_contradiction(file: ImageFile, other: ImageFile) -> None:
    if file.normal is not other.normal:
        msg = f"{file.label} and {other.label} are the same image, normal in one folder only; take one of them out."
        raise DataError(msg)
