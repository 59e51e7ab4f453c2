"""A source cut at its sequences, such as a gallery at its people."""

from __future__ import annotations

from collections.abc import Iterator

from crystaledge.sources.frame import Frame, Source


def by_sequence(source: Source) -> Iterator[tuple[str, list[Frame]]]:
    """Each run of frames of one sequence, with its name; only one run is in memory at a time."""
    name, frames = "", list[Frame]()
    for frame in source:
        if frames and frame.sequence != name:
            yield name, frames
            frames = []
        name = frame.sequence
        frames.append(frame)
    if frames:
        yield name, frames
