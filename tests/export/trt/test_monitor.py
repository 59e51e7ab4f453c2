"""Progress of a build is told as TensorRT has it, and Ctrl-C ends the build instead of vanishing in a callback."""

from __future__ import annotations

import threading

import pytest

from crystaledge_export.trt.builder import build_plan
from crystaledge_export.trt.monitor import Monitor
from tests.export.trt.builders import (
    GENERATIONS,
    fake_module,
    request_of,
)
from tests.support.fake_builder import IProgressMonitor, bench_of
from tests.support.fake_tensorrt import Generation

MONITORED = [generation for generation in Generation if generation is not Generation.V8_6]


@pytest.mark.parametrize("generation", MONITORED, ids=lambda generation: generation.name)
def test_progress_is_told_in_order(generation: Generation) -> None:
    told: list[tuple[str, float]] = []
    build_plan(fake_module(generation), request_of(generation=generation, say=lambda *at: told.append(at)))
    assert told[0] == ("Building engine", 0.0)
    # The phase that comes again counts anew: two steps, then three.
    shares = [round(share, 3) for phase, share in told if phase == "Optimizing graph"]
    assert shares == [0.0, 0.5, 1.0, 0.0, 0.333, 0.667, 1.0]


def test_the_oldest_generation_builds_without_telling() -> None:
    told: list[object] = []
    plan = build_plan(
        fake_module(Generation.V8_6), request_of(generation=Generation.V8_6, say=lambda *at: told.append(at))
    )
    assert plan.data and told == []


@pytest.mark.parametrize("generation", MONITORED, ids=lambda generation: generation.name)
@pytest.mark.parametrize("callback", range(12))
def test_ctrl_c_in_a_callback_cancels_the_build_and_is_raised(generation: Generation, callback: int) -> None:
    told: list[str] = []

    def say(phase: str, share: float) -> None:
        told.append(phase)
        if len(told) == callback + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_plan(fake_module(generation), request_of(generation=generation, say=say))
    # A phase that begins cannot stop TensorRT; the next step does.
    assert len(told) - (callback + 1) <= 1


def test_a_fault_of_the_callback_is_raised_and_not_taken_for_a_failed_build() -> None:
    def say(phase: str, share: float) -> None:
        msg = "the terminal is gone"
        raise OSError(msg)

    with pytest.raises(OSError, match="the terminal is gone"):
        build_plan(fake_module(), request_of(say=say))


@GENERATIONS
def test_ctrl_c_while_tensorrt_computes_is_raised(generation: Generation) -> None:
    assert threading.current_thread() is threading.main_thread()
    module = fake_module(generation)
    bench_of(module).signal_in_build = True
    with pytest.raises(KeyboardInterrupt):
        build_plan(module, request_of(generation=generation))


def told_by(*events: tuple[str, int, tuple[int, ...]]) -> list[float]:
    """Shares that a monitor tells of phases of a number of steps, whose steps come in that order."""
    told: list[float] = []
    monitor = Monitor(IProgressMonitor, lambda phase, share: told.append(share)).native
    for phase, steps, done in events:
        monitor.phase_start(phase, None, steps)
        for step in done:
            assert monitor.step_complete(phase, step) is True
        monitor.phase_finish(phase)
    return told


def test_a_phase_counts_from_none_to_all_of_its_steps() -> None:
    assert told_by(("a", 4, (0, 1, 2, 3))) == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_more_steps_than_were_promised_are_no_more_than_all() -> None:
    assert told_by(("a", 2, (0, 1, 2, 7))) == [0.0, 0.5, 1.0, 1.0, 1.0]


def test_a_phase_of_no_steps_is_told() -> None:
    assert told_by(("a", 0, ())) == [0.0]


def test_a_phase_that_comes_again_has_the_steps_of_its_newest_start() -> None:
    assert told_by(("a", 2, (0,)), ("a", 4, (0,))) == [0.0, 0.5, 0.0, 0.25]


def test_a_step_of_a_phase_that_never_began_is_no_fault() -> None:
    told: list[float] = []
    monitor = Monitor(IProgressMonitor, lambda phase, share: told.append(share)).native
    assert monitor.step_complete("unheard of", 3) is True
    assert told == [1.0]


def test_every_step_after_an_interruption_says_no() -> None:
    def say(phase: str, share: float) -> None:
        if share == 0.0:
            raise KeyboardInterrupt

    monitor = Monitor(IProgressMonitor, say)
    monitor.native.phase_start("a", None, 4)
    assert isinstance(monitor.interrupted, KeyboardInterrupt)
    assert [monitor.native.step_complete("a", step) for step in range(2)] == [False, False]
