"""Names of sequences that stay apart where several sources are read together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from typing import Protocol, runtime_checkable

from crystaledge.sources.frame import Frame, Source


@runtime_checkable
class NamedSource(Protocol):
    """A source of one sequence, whose name is known before its first frame."""

    name: str


class SequenceNames:
    """Gives equal names of different sources a suffix: `door`, `door#2`.

    Known names are given out in the order of the sources, so that they do not depend on which camera is faster.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._given: dict[tuple[int, str], str] = {}
        self._taken: set[str] = set()
        for number, source in enumerate(sources):
            if isinstance(source, NamedSource):
                self.name_of(number, source.name)

    def name_of(self, source: int, sequence: str) -> str:
        """The name by which a sequence of the source of that number is known; always the same."""
        key = (source, sequence)
        if key not in self._given:
            candidates = chain([sequence], (f"{sequence}#{number}" for number in count(2)))
            name = next(name for name in candidates if name not in self._taken)
            self._given[key] = name
            self._taken.add(name)
        return self._given[key]

    def renamed(self, source: int, frame: Frame) -> Frame:
        """The frame under its sequence's name; the same object where that is its own."""
        name = self.name_of(source, frame.sequence)
        return frame if name == frame.sequence else replace(frame, sequence=name)
