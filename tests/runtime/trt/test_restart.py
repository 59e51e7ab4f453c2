"""A device that fails in the middle of a stream: the engine is restarted, and nothing else is to be noticed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from crystaledge.engine.select import EngineOptions
from crystaledge.errors import DeviceError, EngineError
from crystaledge.pipeline import Pipeline, PipelineOptions
from crystaledge.sources.frame import Frame
from crystaledge.systems.mnemosyne import MnemosynePipeline
from crystaledge.systems.mnemosyne_records import IdentityEvent
from tests.runtime.trt.installed import Installed, install
from tests.support.fake_cuda import Code, FakeDriver
from tests.support.frames import drawn_frames
from tests.support.messages import message_of


def opened(installed: Installed, *, engine: EngineOptions | None = None) -> tuple[MnemosynePipeline, list[str]]:
    """A pipeline, and what it says."""
    said: list[str] = []
    options = PipelineOptions(engine=engine or installed.options, say=said.append, unverified=True)
    pipeline = Pipeline.open(installed.bundle, options)
    assert isinstance(pipeline, MnemosynePipeline)
    return pipeline, said


def frames() -> list[Frame]:
    """Two people by turns, so that one track waits while the device fails under the other."""
    return [frame for pair in zip(drawn_frames(0, 5), drawn_frames(1, 5), strict=True) for frame in pair]


def followed(pipeline: MnemosynePipeline, seen: Sequence[Frame]) -> list[IdentityEvent]:
    """Enrol somebody, then all events."""
    pipeline.enroll("ada", drawn_frames(0, 3, take=1))
    events: list[IdentityEvent] = []
    for place, frame in enumerate(seen):
        events.extend(pipeline.process(replace(frame, index=place)))
    return events


def undisturbed(installed: Installed) -> list[IdentityEvent]:
    """The events of a run in which nothing fails."""
    pipeline, said = opened(installed)
    with pipeline:
        events = followed(pipeline, frames())
    assert said == []
    return events


@pytest.mark.parametrize("after", [0, 1, 2, 9, 20, 31, 50])
def test_a_failure_is_told_and_changes_no_event(after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install(tmp_path, monkeypatch)
    expected = undisturbed(installed)
    pipeline, said = opened(installed)
    installed.driver.fail_in = after
    with pipeline:
        assert followed(pipeline, frames()) == expected
        assert installed.driver.resets == 1
    assert len(said) == 1
    assert len(said[0].splitlines()) == 1
    assert "failed with CUDA_ERROR_ILLEGAL_ADDRESS (700)." in said[0]
    assert said[0].endswith("The engine is restarted; tracks go on from their last good state.")
    assert not any(installed.driver.live.values())
    assert installed.driver.retained == 0


def test_the_frame_is_named_in_which_the_device_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, said = opened(install(tmp_path, monkeypatch))
    with pipeline:
        for place, frame in enumerate(drawn_frames(0, 4)):
            if place == 2:
                installed_driver(pipeline).fail_in = 0
            pipeline.process(replace(frame, index=40 + place))
    assert said[0].startswith("frame 42: CUDA's cuStreamSynchronize failed with")


def test_a_device_that_fails_before_a_track_has_its_room_is_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool of states is full, and the device fails where it is made larger."""
    installed = install(tmp_path, monkeypatch)
    pipeline, said = opened(installed)
    frame = drawn_frames(0, 1)[0]
    for track in range(-2, -18, -1):
        pipeline.store.create(track, frame=frame.index)
    installed.driver.breaks()
    with pipeline:
        (event,) = pipeline.process(frame)
    assert event.observations == 1 and len(said) == installed.driver.resets == 1
    assert not any(installed.driver.live.values())


def test_an_enrolment_that_finds_no_room_on_a_failed_device_is_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = install(tmp_path, monkeypatch)
    pipeline, said = opened(installed)
    for track in range(16):
        pipeline.store.create(track)
    installed.driver.breaks()
    with pipeline:
        assert pipeline.enroll("ada", drawn_frames(0, 1)) == 1
    assert len(said) == 1 and said[0].startswith("enrolment: ")


def test_what_the_host_can_still_overwrite_is_overwritten_before_a_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = install(tmp_path, monkeypatch)
    pipeline, _ = opened(installed)
    driver, reset = installed.driver, installed.driver.cuDevicePrimaryCtxReset
    left: list[bool] = []

    def watched(device: int) -> tuple[Code]:
        left.extend(bool(block.any()) for block in driver.pinned.values())
        return reset(device)

    monkeypatch.setattr(driver, "cuDevicePrimaryCtxReset", watched)
    first, second, *_ = drawn_frames(0, 2)
    with pipeline:
        pipeline.process(first)
        assert any(block.any() for block in driver.pinned.values())
        driver.fail_in = 1
        pipeline.process(second)
    assert left and not any(left)


def test_every_failure_of_many_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install(tmp_path, monkeypatch)
    expected = undisturbed(installed)
    pipeline, said = opened(installed)
    pipeline.enroll("ada", drawn_frames(0, 3, take=1))
    events: list[IdentityEvent] = []
    with pipeline:
        for place, frame in enumerate(frames()):
            installed.driver.fail_in = place % 3
            events.extend(pipeline.process(replace(frame, index=place)))
            installed.driver.fail_in = None
    assert events == expected
    assert len(said) == len(events) == installed.driver.resets


def _reset_does_nothing(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "cuDevicePrimaryCtxReset", lambda device: (Code.CUDA_SUCCESS,))


def _broken_again(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    reset = driver.cuDevicePrimaryCtxReset

    def broken(device: int) -> tuple[Code]:
        answer = reset(device)
        driver.breaks()
        return answer

    monkeypatch.setattr(driver, "cuDevicePrimaryCtxReset", broken)


def _refuses(name: str) -> Callable[[FakeDriver, pytest.MonkeyPatch], None]:
    def refuse(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(driver, name, lambda device: (Code.CUDA_ERROR_ILLEGAL_ADDRESS, None))

    refuse.__name__ = name
    return refuse


FOR_GOOD = [
    _reset_does_nothing,
    _broken_again,
    *map(_refuses, ("cuDevicePrimaryCtxRelease", "cuDevicePrimaryCtxReset", "cuDevicePrimaryCtxRetain")),
]


@pytest.mark.parametrize("spoil", FOR_GOOD, ids=lambda spoil: spoil.__name__.strip("_"))
@pytest.mark.parametrize("enrolling", [False, True], ids=["following", "enrolling"])
def test_a_device_that_does_not_come_back_is_one_clear_error(
    spoil: Callable[[FakeDriver, pytest.MonkeyPatch], None],
    enrolling: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = install(tmp_path, monkeypatch)
    pipeline, said = opened(installed)
    first, second, *_ = drawn_frames(0, 3)
    pipeline.process(first)
    state = pipeline.store.state(0)
    spoil(installed.driver, monkeypatch)
    installed.driver.breaks()
    with pytest.raises(DeviceError) as raised:
        if enrolling:
            pipeline.enroll("ada", [second])
        else:
            pipeline.process(second)
    assert "CUDA_ERROR_ILLEGAL_ADDRESS (700)" in message_of(raised)
    assert message_of(raised).endswith(
        " The device does not come back in this process; start it again (--restore takes up tracks)."
    )
    assert len(said) == 1
    assert all((pipeline.store.state(0)[name] == values).all() for name, values in state.items())
    pipeline.snapshot(tmp_path / "tracks.state")  # what is to be restored can still be written
    for _ in range(2):
        pipeline.close()
    assert installed.driver.depth == 0


def test_a_failure_that_is_not_the_devices_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install(tmp_path, monkeypatch)
    pipeline, said = opened(installed)
    monkeypatch.setattr("tests.support.fake_tensorrt.Engine.create_execution_context", lambda engine: None)
    with pytest.raises(EngineError) as raised:
        pipeline.process(drawn_frames(0, 1)[0])
    assert (
        message_of(raised)
        == "TensorRT could not make an execution context: it gave no reason; is the device out of memory?"
    )
    assert said == [] and installed.driver.resets == 0


def test_too_little_memory_is_said_once_and_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = install(tmp_path, monkeypatch)
    pipeline, said = opened(installed)
    installed.driver.total_bytes = 1024
    with pytest.raises(DeviceError) as raised:
        pipeline.process(drawn_frames(0, 1)[0])
    assert message_of(raised) == (
        "CUDA's cuMemAlloc failed with CUDA_ERROR_OUT_OF_MEMORY (2); the device is out of memory: "
        "close other programs, or use fewer tracks at once."
    )
    assert len(said) == 1
    pipeline.close()
    assert installed.driver.retained == 0


def test_nothing_of_tensorrt_outlives_its_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is destroyed after the reset frees addresses that belong to somebody else by then."""
    installed = install(tmp_path, monkeypatch)
    pipeline, _ = opened(installed)
    with pipeline:
        first, second = drawn_frames(0, 2)
        pipeline.process(first)
        installed.driver.fail_in = 1
        pipeline.process(second)
    assert installed.driver.resets == 1
    assert installed.driver.orphans == []


def installed_driver(pipeline: MnemosynePipeline) -> FakeDriver:
    """The fake device below a pipeline."""
    driver = pipeline._crystallizer._engine._cuda._driver  # type: ignore[attr-defined]
    assert isinstance(driver, FakeDriver)
    return driver
