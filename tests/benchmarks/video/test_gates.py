"""Modes are shown the same frames; costs and recall are summed up rightly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.jsonio import dumps
from crystaledge.sources.frame import Frame
from crystaledge_benchmarks.video import gates
from crystaledge_benchmarks.video.gates import measure, ratio
from crystaledge_benchmarks.video.modes import BARE, DENSE, OURS, modes_of
from crystaledge_benchmarks.video.overlap import as_boxes
from crystaledge_benchmarks.video.scenes import place_of, scenes_of
from crystaledge_benchmarks.video.setup import Setup
from tests.benchmarks.video.conftest import drawn_film


@dataclass
class Blinks:
    """Reports a face in every so many frames."""

    every: int
    seen: list[int] = field(default_factory=list)

    def see(self, frame: Frame) -> None:
        self.seen.append(frame.index)

    def reported(self) -> NDArray[np.float32]:
        return as_boxes([(0, 0, 9, 9)] if self.seen[-1] % self.every == 0 else [])


def test_recall_is_against_the_detector_alone() -> None:
    place = place_of("crowd", drawn_film(9), lambda frame: ())
    makers = {BARE: lambda: Blinks(1), DENSE: lambda: Blinks(2), OURS: lambda: Blinks(3)}
    results = measure([place], makers, frames=6, repeats=2)
    assert {result.scene for result in results} == set(scenes_of(place, 6))
    for result in results:
        assert [(mode.wanted, mode.found) for mode in result.modes] == [(6, 6), (6, 3), (6, 2)]
        assert all(len(mode.each_cpu_ms) == 2 for mode in result.modes)


def test_ratios_are_taken_repeat_by_repeat() -> None:
    spread = ratio([1.0, 4.0, 9.0], [1.0, 2.0, 3.0])
    assert (spread.low, spread.median, spread.high) == (1.0, 2.0, 3.0)


def test_all_real_modes_run_on_the_drawn_crowd(setup: Setup) -> None:
    place = place_of("drawn crowd", drawn_film(9), lambda frame: ())
    results = measure([place], modes_of(setup), frames=4, repeats=1)
    for result in results:
        by_name = {mode.mode: mode for mode in result.modes}
        assert by_name[BARE].found == by_name[BARE].wanted > 0
    assert dumps(results)


def test_the_report_names_the_aims(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Any = {BARE: lambda: Blinks(1), DENSE: lambda: Blinks(2), OURS: lambda: Blinks(3)}
    monkeypatch.setattr(gates, "modes_of", lambda setup: made)
    monkeypatch.setattr(gates, "_places", lambda setup: [place_of("crowd", drawn_film(9), lambda frame: ())])
    report = gates.run(setup)
    text = report.text()
    assert "crowd, still" in text
    assert "50.0 %" in text
    assert "aim 0.02" in text
    assert "aim 1.10" in text
