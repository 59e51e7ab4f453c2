"""The fan-out: one sink's fault is told once and is not the others'."""

from __future__ import annotations

import pytest

from crystaledge.errors import UsageError
from crystaledge.outputs.sinks import Sinks
from crystaledge.outputs.view import StopShowing
from tests.runtime.outputs.builders import PlantedSink, frame_view


def show(sinks: Sinks, frames: int = 3) -> None:
    """Some frames."""
    for index in range(frames):
        sinks.show(frame_view(index=index))


def test_all_are_shown_every_frame() -> None:
    said, planted = list[str](), [PlantedSink(), PlantedSink()]
    sinks = Sinks(planted, say=said.append)
    show(sinks)
    sinks.close()
    sinks.close()
    assert [(sink.shown, sink.closed) for sink in planted] == [([0, 1, 2], 1)] * 2
    assert not said


@pytest.mark.parametrize("error", [UsageError("Two\nlines."), OSError(5, "input/output error"), ZeroDivisionError()])
def test_one_that_fails_is_closed_and_told_once(error: Exception) -> None:
    said = list[str]()
    first, broken, last = PlantedSink(), PlantedSink(on_show=error), PlantedSink()
    sinks = Sinks([first, broken, last], say=said.append)
    show(sinks)
    sinks.close()
    assert first.shown == last.shown == [0, 1, 2]
    assert (broken.shown, broken.closed) == ([0], 1)
    assert len(said) == 1
    assert said[0].startswith("the planted output stopped: ")
    assert len(said[0].splitlines()) == 1
    assert said[0].endswith("; the run goes on without it")


def test_one_that_fails_at_both_ends_is_told_once() -> None:
    said = list[str]()
    sinks = Sinks([PlantedSink(on_show=OSError("no"), on_close=OSError("no again"))], say=said.append)
    show(sinks)
    sinks.close()
    assert len(said) == 1


def test_all_are_closed_though_one_fails() -> None:
    said = list[str]()
    planted = [PlantedSink(), PlantedSink(on_close=ValueError("stuck")), PlantedSink()]
    Sinks(planted, say=said.append).close()
    assert [sink.closed for sink in planted] == [1, 1, 1]
    assert said == ["the planted output could not be closed: stuck"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_all_are_closed_though_somebody_interrupts_one(place: int) -> None:
    planted = [PlantedSink(on_close=KeyboardInterrupt() if n == place else None) for n in range(3)]
    with pytest.raises(KeyboardInterrupt):
        Sinks(planted, say=print).close()
    assert [sink.closed for sink in planted] == [1, 1, 1]


def test_a_wish_to_stop_is_no_fault_and_comes_after_the_frame() -> None:
    said = list[str]()
    window, after = PlantedSink(on_show=StopShowing()), PlantedSink()
    sinks = Sinks([window, after], say=said.append)
    with pytest.raises(StopShowing):
        show(sinks)
    assert after.shown == [0]
    assert window.closed == 0
    assert not said


def test_an_interrupt_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        show(Sinks([PlantedSink(on_show=KeyboardInterrupt())], say=print))


def test_a_report_that_nobody_reads_ends_nothing() -> None:
    def gone(line: str) -> None:
        raise BrokenPipeError

    last = PlantedSink()
    show(Sinks([PlantedSink(on_show=OSError("no")), last], say=gone))
    assert last.shown == [0, 1, 2]
