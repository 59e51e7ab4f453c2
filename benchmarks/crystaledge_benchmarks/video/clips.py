"""Clips, and what decoding them costs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from crystaledge.errors import DataError
from crystaledge.sources.frame import Frame
from crystaledge.sources.open import open_source
from crystaledge_benchmarks.cpu import CpuClock

TALKING_HEADS = "talking_head"
"""One person a clip, the file's name being theirs."""
SEVERAL = "multi_person"
"""Several faces at once, nobody known by name."""


def clips_in(data: Path, *folders: str) -> list[Path]:
    """Clips of these folders, or of all, by folder and name.

    Raises:
        DataError: there is none.
    """
    found = sorted(path for folder in folders or ("*",) for path in data.glob(f"{folder}/*.mp4"))
    if not found:
        msg = f"{data} has no clips {'/'.join(folders) or '*'}/*.mp4; name a folder with talking_head and multi_person."
        raise DataError(msg)
    return found


def frames_of(path: Path, most: int | None = None) -> list[Frame]:
    """Decoded frames of a clip."""
    return list(islice(iter(open_source(str(path))), most))


def decoded(path: Path, clock: CpuClock, most: int | None = None) -> Iterator[Frame]:
    """Frames of a clip one after another; the clock runs while they are decoded."""
    frames = iter(open_source(str(path)))
    for _ in range(most) if most is not None else iter(int, 1):
        with clock:
            frame = next(frames, None)
        if frame is None:
            return
        yield frame
