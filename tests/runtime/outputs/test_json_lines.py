"""Events as JSON lines: whole frames, and quiet once the reader is gone."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from enum import Enum

import pytest

from crystaledge.outputs.json_lines import JsonLines


class Kind(Enum):
    """An enum of the event."""

    GOOD = "good"


@dataclass(frozen=True)
class PlantedEvent:
    """An event of this test."""

    track: int
    kind: Kind = Kind.GOOD
    score: float | None = None


class Counting(io.StringIO):
    """Counts flushes, and what had been written by then."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = list[str]()

    def flush(self) -> None:
        self.flushed.append(self.getvalue())


def test_an_event_is_a_line_and_a_frame_is_a_flush() -> None:
    stream = Counting()
    lines = JsonLines(stream)
    lines.write([PlantedEvent(1), PlantedEvent(2, score=0.5)])
    lines.write([])
    lines.write([PlantedEvent(3)])
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"track": 1, "kind": "good", "score": None},
        {"track": 2, "kind": "good", "score": 0.5},
        {"track": 3, "kind": "good", "score": None},
    ]
    assert [text.count("\n") for text in stream.flushed] == [2, 2, 3]


def test_a_frame_that_cannot_be_encoded_is_not_half_written() -> None:
    stream = Counting()
    with pytest.raises(ValueError, match="Out of range"):
        JsonLines(stream).write([PlantedEvent(1), PlantedEvent(2, score=float("nan"))])
    assert stream.getvalue() == ""


def test_a_reader_that_left_is_told_once() -> None:
    read_end, write_end = os.pipe()
    stream = os.fdopen(write_end, "w")
    lines = JsonLines(stream)
    lines.write([PlantedEvent(1)])
    assert os.read(read_end, 1000).endswith(b"\n")
    os.close(read_end)
    with pytest.raises(BrokenPipeError):
        lines.write([PlantedEvent(2)])
    lines.write([PlantedEvent(3)])
    with pytest.raises(BrokenPipeError):  # what the stream still holds, when its owner closes it
        stream.close()
