"""A set of sequences as deployment sees them: fresh state at the start, then one observation after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.files import sha256_of
from crystaledge.locate import FixedBox, crop
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge.sources.frame import Frame
from crystaledge_calibration.clips import MOST_FRAMES, Clip, PhotoClip, SourceFile, VideoClip
from crystaledge_calibration.one_colour import refuse_one_colour
from crystaledge_calibration.records import SequenceSetRecord, SequenceSource

Array = NDArray[np.float32]
FEWEST_SEQUENCES = 2
BATCH = 64
"""Sequences that are rolled out together."""


class Half(Enum):
    """Which of a clip's distinct frames are shown."""

    BOTH = "both"
    ENROL = "enrol"
    """The first half of a film, every second photograph."""
    PROBE = "probe"
    """The rest."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some sequences that are rolled out together, as tensor rows and the order in which they are shown."""

    frames: Array
    """`(N, 3, h, w)`: the distinct frames of all of its clips."""
    order: NDArray[np.int64]
    """`(T, B)`: which of `frames` each sequence shows at each step."""

    def __len__(self) -> int:
        return int(self.order.shape[1])

    def places(self) -> Iterator[NDArray[np.int64]]:
        """Indices into `frames` of each step in turn, `(B,)`."""
        return iter(self.order)

    def steps(self) -> Iterator[Array]:
        """Observations `(B, 3, h, w)` of each step in turn; the array is reused."""
        out = np.empty((len(self), *self.frames.shape[1:]), np.float32)
        for places in self.order:
            yield np.take(self.frames, places, axis=0, out=out, mode="clip")


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceSet:
    """Chosen clips with the deployment's schedule: every sequence starts from a fresh state."""

    clips: tuple[Clip, ...]
    files: tuple[SourceFile, ...]
    steps: int
    seed: int
    box: FixedBox
    too_short: int
    """Clips that were left out for having fewer distinct frames than the warm-up."""
    half: Half = Half.BOTH

    @property
    def sha256(self) -> str:
        """Of the exact contents and their schedule."""
        parts = [f.sha256 for f in self.files] + [f"{len(self.clips)} {self.steps} {self.seed} {self.box}"]
        return sha256_of("\n".join(parts).encode())

    def record(self) -> SequenceSetRecord:
        """What a bundle keeps of the set: hashes, no names."""
        sources = {PhotoClip: SequenceSource.IDENTITIES, VideoClip: SequenceSource.VIDEO}
        return SequenceSetRecord(
            source=sources.get(type(self.clips[0]), SequenceSource.SYNTHETIC),
            sequences=len(self.clips),
            steps=self.steps,
            seed=self.seed,
            too_short=self.too_short,
            sha256=self.sha256,
            files=tuple(sorted({file.sha256 for file in self.files})),
        )

    def batches(self, preprocessing: Preprocessing, *, size: int = BATCH) -> Iterator[Batch]:
        """The sequences, decoded batch by batch; nothing of a batch is kept when the next one comes."""
        preprocessor = Preprocessor(preprocessing)
        for start in range(0, len(self.clips), size):
            chosen = enumerate(self.clips[start : start + size], start)
            yield _joined([self._observed(clip, number, preprocessor) for number, clip in chosen])

    def split(self, *, every: int) -> tuple[SequenceSet, SequenceSet]:
        """(the others, every n-th sequence): one half to calibrate with, the other to choose by."""
        chosen = tuple(clip for i, clip in enumerate(self.clips) if i % every == every - 1)
        others = tuple(clip for i, clip in enumerate(self.clips) if i % every != every - 1)
        if not chosen:
            chosen, others = others[-1:], others[:-1]
        return replace(self, clips=others), replace(self, clips=chosen)

    def excerpt(self, *, sequences: int, steps: int) -> SequenceSet:
        """At most so many of the first clips, and at most so many steps of each."""
        return replace(self, clips=self.clips[:sequences], steps=min(steps, self.steps))

    def _observed(self, clip: Clip, number: int, preprocessor: Preprocessor) -> tuple[Array, NDArray[np.int64]]:
        """A clip's distinct frames `(K, 3, h, w)` and their order `(T,)`."""
        frames = _half_of(clip.frames(), self.half, in_time=clip.in_time)
        rows = np.stack([preprocessor(_looked_at(frame, self.box), frame.color) for frame in frames])
        generator = np.random.default_rng((self.seed, number))
        return rows, show_order(len(rows), self.steps, generator, in_time=clip.in_time)


def _joined(clips: list[tuple[Array, NDArray[np.int64]]]) -> Batch:
    starts = np.cumsum([0, *(len(rows) for rows, _ in clips)])
    order = np.stack([start + order for start, (_, order) in zip(starts, clips, strict=False)], axis=1)
    return Batch(np.concatenate([rows for rows, _ in clips]), order)


def show_order(distinct: int, steps: int, generator: np.random.Generator, *, in_time: bool) -> NDArray[np.int64]:
    """Which of `distinct` frames is shown at each of `steps` steps.

    Photographs come in passes, each a new shuffle of all; frames of a film run forth and back, so
    that the picture never jumps.
    """
    if in_time:
        period = np.concatenate([np.arange(distinct), np.arange(distinct - 2, 0, -1)])
        return np.resize(period, steps).astype(np.int64)
    passes = [generator.permutation(distinct) for _ in range(-(-steps // distinct))]
    return np.concatenate(passes)[:steps].astype(np.int64)


def choose_sequences(
    clips: Sequence[Clip],
    *,
    sequences: int,
    steps: int,
    warm_up: int,
    seed: int,
    box: FixedBox,
    progress: Callable[[int], object] = lambda done: None,
) -> SequenceSet:
    """Draw sequences from clips and check them.

    Args:
        sequences: at most so many.
        steps: observations of each.
        warm_up: distinct frames that a clip must have, so that the state grows warm on something new.
        progress: told how many clips were checked since the last call.

    Raises:
        DataError: fewer than two clips are long enough, a frame is of one colour or cannot be read.
    """
    if sequences < FEWEST_SEQUENCES:
        msg = f"{sequences} sequences are too few; give at least {FEWEST_SEQUENCES}."
        raise DataError(msg)
    usable = [clip for clip in clips if clip.length >= warm_up]
    if len(usable) < FEWEST_SEQUENCES:
        msg = (
            f"{len(usable)} of {len(clips)} sequences have the {warm_up} distinct frames that the warm-up takes; "
            f"expected at least {FEWEST_SEQUENCES}. Give more data."
        )
        raise DataError(msg)
    generator = np.random.default_rng((seed, len(usable)))
    drawn = [usable[i] for i in sorted(generator.permutation(len(usable))[:sequences].tolist())]
    chosen = tuple(_trimmed(clip, generator) for clip in drawn)
    files: list[SourceFile] = []
    for clip in chosen:
        _refuse_one_colour(clip)
        files.extend(clip.files())
        progress(1)
    unique = tuple(dict.fromkeys(files))
    return SequenceSet(clips=chosen, files=unique, steps=steps, seed=seed, box=box, too_short=len(clips) - len(usable))


def _half_of(frames: tuple[Frame, ...], half: Half, *, in_time: bool) -> tuple[Frame, ...]:
    if half is Half.BOTH:
        return frames
    first = half is Half.ENROL
    if in_time:
        middle = len(frames) // 2
        return frames[:middle] if first else frames[middle:]
    return frames[0 if first else 1 :: 2]


def _trimmed(clip: Clip, generator: np.random.Generator) -> Clip:
    if not isinstance(clip, PhotoClip) or clip.length <= MOST_FRAMES:
        return clip
    kept = sorted(generator.permutation(clip.length)[:MOST_FRAMES].tolist())
    return replace(clip, paths=tuple(clip.paths[i] for i in kept))


def _refuse_one_colour(clip: Clip) -> None:
    for frame, file in zip(clip.frames(), _labels(clip), strict=False):
        refuse_one_colour(frame.pixels, where=file)


def _labels(clip: Clip) -> list[str]:
    if isinstance(clip, PhotoClip):
        return [str(path) for path in clip.paths]
    return [f"frame {i} of {clip.name}" for i in range(clip.length)]


def _looked_at(frame: Frame, box: FixedBox) -> NDArray[np.uint8]:
    return crop(frame.pixels, box.locate(frame).box_xyxy[0])
