"""Clips: what one sequence is made of. From a folder of identities, a video, or the drawn scene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from crystaledge.errors import DataError
from crystaledge.files import sha256_of
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.scene.scene import SceneConfig, film
from crystaledge.sources.frame import Frame
from crystaledge.sources.identities import read_catalogue, read_lfw_people
from crystaledge.sources.images import read_image
from crystaledge.sources.open import SYNTHETIC
from crystaledge.sources.video import VideoSource

MOST_FRAMES = 16
"""Distinct frames of one clip that are held at once; this bounds memory, not the length of a sequence."""
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm"})
_SEGMENT_STRIDE = 3
"""Every third frame of a video is taken: neighbours hardly differ."""
_SCENE_PEOPLE = 160


@dataclass(frozen=True, slots=True)
class SourceFile:
    """Where frames came from. The label is for the person at the terminal; only the hash is ever written."""

    label: str
    sha256: str


class Clip(Protocol):
    """The distinct frames of one person or thing, from which a sequence of any length is made."""

    @property
    def name(self) -> str:
        """For the person at the terminal; never written."""
        ...

    @property
    def in_time(self) -> bool:
        """Frames follow one another in time, and are shown so; photographs are shown in shuffled passes."""
        ...

    @property
    def length(self) -> int:
        """Number of distinct frames."""
        ...

    def files(self) -> tuple[SourceFile, ...]:
        """What `frames` reads, with its fingerprints."""
        ...

    def frames(self) -> tuple[Frame, ...]:
        """The frames, at most `MOST_FRAMES`, decoded now."""
        ...


@dataclass(frozen=True, slots=True)
class PhotoClip:
    """Photographs of one identity."""

    name: str
    paths: tuple[Path, ...]
    in_time: bool = False

    @property
    def length(self) -> int:
        """Number of photographs."""
        return len(self.paths)

    def files(self) -> tuple[SourceFile, ...]:
        """One entry a photograph."""
        return tuple(SourceFile(str(path), sha256_of(_bytes(path))) for path in self.paths)

    def frames(self) -> tuple[Frame, ...]:
        """Decoded photographs."""
        return tuple(Frame(read_image(path), ColorOrder.BGR, i, self.name) for i, path in enumerate(self.paths))


@dataclass(frozen=True, slots=True)
class VideoClip:
    """Some consecutive (strided) frames of a video; each segment is a sequence that starts afresh."""

    name: str
    path: Path
    start: int
    length: int
    in_time: bool = True

    def files(self) -> tuple[SourceFile, ...]:
        """The video; all of its segments share it."""
        return (SourceFile(str(self.path), sha256_of(_bytes(self.path))),)

    def frames(self) -> tuple[Frame, ...]:
        """The segment's frames."""
        end = self.start + self.length * _SEGMENT_STRIDE
        return tuple(islice(VideoSource(self.path), self.start, end, _SEGMENT_STRIDE))


@dataclass(frozen=True, slots=True)
class SceneClip:
    """A drawn person in one take."""

    name: str
    config: SceneConfig
    person: int
    take: int
    length: int = MOST_FRAMES
    in_time: bool = True

    def files(self) -> tuple[SourceFile, ...]:
        """No file: the scene's numbers stand for the pixels."""
        label = f"synthetic scene {self.config}, person {self.person}, take {self.take}"
        return (SourceFile(label, sha256_of(label.encode())),)

    def frames(self) -> tuple[Frame, ...]:
        """Drawn now."""
        shots = islice(film(self.config, self.person, take_number=self.take), self.length)
        return tuple(Frame(shot.pixels, ColorOrder.RGB, i, self.name) for i, shot in enumerate(shots))


def open_clips(data: str, *, people: Path | None = None, scene_seed: int = 0) -> list[Clip]:
    """All clips of a data folder, a video, or the synthetic scene.

    Args:
        data: `DIR/identity/*.jpg|png|pgm`, a folder of videos, one video, or "synthetic".
        people: keep the identities of this LFW list only.
        scene_seed: another seed draws other people.

    Raises:
        DataError: there is nothing to be found there.
    """
    if data == SYNTHETIC:
        config = SceneConfig(seed=1000 + scene_seed, people=_SCENE_PEOPLE, side_px=64)
        return [SceneClip(f"person{p:03d}", config, p, 0) for p in range(_SCENE_PEOPLE)]
    path = Path(data)
    if path.is_file():
        return list(_segments(path))
    videos = sorted(p for p in path.glob("*") if p.suffix.lower() in VIDEO_SUFFIXES) if path.is_dir() else []
    if videos:
        return [clip for video in videos for clip in _segments(video)]
    catalogue = read_catalogue(path)
    if people is not None:
        catalogue = catalogue.only(read_lfw_people(people))
    return [PhotoClip(identity.name, identity.paths) for identity in catalogue.identities]


def _segments(path: Path) -> Iterator[Clip]:
    span = MOST_FRAMES * _SEGMENT_STRIDE
    total = sum(1 for _ in VideoSource(path))
    for start in range(0, total, span):
        length = -(-min(span, total - start) // _SEGMENT_STRIDE)
        yield VideoClip(f"{path.stem}@{start}", path, start, length)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"Cannot read {path}: {error.strerror}."
        raise DataError(msg) from error
