"""Decoded, resized frames of a catalogue in one array, by person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge.sources.identities import Catalogue
from crystaledge.sources.images import read_image


@dataclass(frozen=True, slots=True)
class FrameStore:
    """All frames of some people.

    Raises:
        DataError: person numbers do not start at 0 and rise, one block a person.
    """

    pixels: NDArray[np.uint8]
    """uint8 `(N, h, w, 3)`, in the colour order of the preprocessing it was made with."""
    person: NDArray[np.int64]
    """`(N,)`: index into `names`; frames of one person are consecutive."""
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        steps = np.diff(self.person, prepend=-1)
        starts_at_0 = len(self.person) == 0 or self.person[0] == 0
        if len(self.person) != len(self.pixels) or not starts_at_0 or not np.isin(steps, (0, 1)).all():
            msg = f"Frame store got {len(self.pixels)} frames and {len(self.person)} person numbers out of order."
            raise DataError(msg)

    def rows_of(self, person: int) -> NDArray[np.int64]:
        """Row numbers of one person's frames."""
        low, high = np.searchsorted(self.person, [person, person + 1])
        return np.arange(low, high)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Frames of each person, `(len(names),)`."""
        return np.bincount(self.person, minlength=len(self.names))


def load_frames(
    catalogue: Catalogue, spec: Preprocessing, *, whole: bool = False, limit_per_person: int | None = None
) -> FrameStore:
    """Decode and resize every image of a catalogue.

    Args:
        whole: keep the whole fitted box, at the same scale, where `spec` would cut out its centre;
            crop jitter moves about in it.
        limit_per_person: keep the first so many images of each person.

    Raises:
        DataError: an image cannot be decoded.
    """
    if whole:
        height, width = (round(side / spec.center_share) for side in spec.size_hw)
        spec = replace(spec, size_hw=(height, width), center_share=1.0)
    preprocessor = Preprocessor(spec)
    height, width = spec.size_hw
    chosen = [identity.paths[:limit_per_person] for identity in catalogue.identities]
    pixels = np.empty((sum(map(len, chosen)), height, width, 3), np.uint8)
    for row, path in enumerate(path for paths in chosen for path in paths):
        pixels[row] = preprocessor.resize(read_image(path), ColorOrder.BGR)
    person = np.repeat(np.arange(len(chosen)), [len(paths) for paths in chosen])
    return FrameStore(pixels, person, tuple(i.name for i in catalogue.identities))


def require_pairs(store: FrameStore, what: str) -> None:
    """Raise `DataError` unless at least two people have two or more frames."""
    paired = int((store.counts >= 2).sum())
    if paired < 2:
        msg = (
            f"The {what} data has {paired} identities with two or more images among {len(store.names)}; "
            "at least 2 are needed, since anchor and positive never share an image."
        )
        raise DataError(msg)


def subset(store: FrameStore, people: Iterable[int]) -> FrameStore:
    """A store of some people, in the order given."""
    people = list(people)
    rows = [store.rows_of(p) for p in people]
    person = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    joined = np.concatenate(rows) if rows else np.empty(0, np.int64)
    return FrameStore(store.pixels[joined], person, tuple(store.names[p] for p in people))
