"""What a recipe needs of the data that it calibrates on: sequences of a step graph, or single images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_calibration.records import SequenceSetRecord
from crystaledge_calibration.sequence_set import Batch


class CalibrationSet(Protocol):
    """Batches of sequences; an image is a sequence of length one."""

    def batches(self, preprocessing: Preprocessing) -> Iterator[Batch]:
        """All of them, decoded batch by batch."""
        ...

    def excerpt(self, *, sequences: int, steps: int) -> CalibrationSet:
        """At most so many of the first sequences, cut to at most so many steps."""
        ...

    def record(self) -> SequenceSetRecord:
        """What a bundle keeps of the set: hashes, no names."""
        ...
