"""The live line against a clock that the test turns."""

from __future__ import annotations

import io
import re
from itertools import pairwise

import pytest

from crystaledge.outputs.live_line import LiveLine
from tests.runtime.outputs.builders import frame_view, track_view


class Clock:
    """Seconds, as the test wants them."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def run(line: LiveLine, clock: Clock, seconds: float, fps: float, *, tracks: int = 0) -> None:
    """Frames at a steady rate."""
    for _ in range(round(seconds * fps)):
        clock.now_s += 1 / fps
        line.show(frame_view(tracks=[track_view(n) for n in range(tracks)], gate_share=0.25, dropped_frames=1))


def test_a_terminal_s_line_is_rewritten_in_place() -> None:
    stream, clock = Terminal(), Clock()
    line = LiveLine(stream, clock=clock)
    run(line, clock, 2.0, 30.0, tracks=3)
    text = stream.getvalue()
    assert "\n" not in text
    shown = text.split("\r\x1b[K")
    assert 8 <= len(shown) - 1 <= 10
    assert re.fullmatch(r"30\.0 fps, 3 tracks, 25% recomputed, \d+ dropped", shown[-1])
    line.close()
    assert stream.getvalue().endswith("dropped\n")
    assert stream.getvalue().count("\n") == 1


def test_a_file_gets_a_line_at_times() -> None:
    stream, clock = io.StringIO(), Clock()
    line = LiveLine(stream, every_s=10.0, clock=clock)
    run(line, clock, 35.0, 8.0)
    assert stream.getvalue().splitlines() == [
        f"8.0 fps, 0 tracks, 25% recomputed, {dropped} dropped" for dropped in (80, 160, 240)
    ]
    line.close()
    assert stream.getvalue().splitlines()[3:] == ["8.0 fps, 0 tracks, 25% recomputed, 280 dropped"]


def test_the_rate_moves_to_the_new_one() -> None:
    stream, clock = Terminal(), Clock()
    line = LiveLine(stream, clock=clock)
    run(line, clock, 2.0, 40.0)
    run(line, clock, 6.0, 10.0)
    rates = [float(rate) for rate in re.findall(r"([\d.]+) fps", stream.getvalue())]
    assert rates[5] == 40.0
    assert 10.5 < rates[10] < 40.0
    assert all(after <= before for before, after in pairwise(rates[5:]))
    assert rates[-1] == pytest.approx(10.0, abs=0.5)


def test_tracks_of_all_cameras_are_added() -> None:
    stream, clock = Terminal(), Clock()
    line = LiveLine(stream, clock=clock)
    line.show(frame_view(tracks=[track_view(1), track_view(2)], sequence="door"))
    clock.now_s += 1.0
    line.show(frame_view(tracks=[track_view(3)], sequence="yard"))
    assert "3 tracks" in stream.getvalue()
    clock.now_s += 1.0
    line.show(frame_view(sequence="yard"))
    assert "0 tracks" in stream.getvalue()


def test_what_others_say_stands_in_lines_of_its_own() -> None:
    stream, clock = Terminal(), Clock()
    line = LiveLine(stream, clock=clock)
    run(line, clock, 1.0, 10.0)
    shown = stream.getvalue().rpartition("\x1b[K")[2]
    line.say("the disk is full")
    assert stream.getvalue().endswith(f"\r\x1b[Kthe disk is full\n{shown}")
    plain = io.StringIO()
    LiveLine(plain, clock=clock).say("the disk is full")
    assert plain.getvalue() == "the disk is full\n"


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()], ids=["terminal", "file"])
def test_a_run_without_frames_writes_nothing(stream: io.StringIO) -> None:
    line = LiveLine(stream, clock=Clock())
    line.close()
    line.close()
    assert stream.getvalue() == ""


def test_a_line_longer_than_the_terminal_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, clock = Terminal(), Clock()
    line = LiveLine(stream, clock=clock)
    monkeypatch.setattr(line, "_columns", lambda: 20)
    run(line, clock, 1.0, 10.0)
    assert all(len(part) <= 19 for part in stream.getvalue().split("\r\x1b[K"))
