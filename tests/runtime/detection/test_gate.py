"""The gate over still, noisy, dimmed and moving scenes."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge.detection.gate import GateConfig, MotionGate
from tests.runtime.detection.scenes import LIT, SCENES, Image, Shots, face_at

SIZE_HW = (64, 96)
FACE_PX = 6
"""As 12 px in 128: 36 samples."""


def settled(shots: Shots, frames: int = 40) -> MotionGate:
    """A gate that has processed one frame and seen some more of a still scene."""
    gate = MotionGate(GateConfig())
    assert gate.moved(shots.next())
    gate.processed()
    for _ in range(frames):
        gate.moved(shots.next())
    return gate


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.0, 3.0, 4.0, 6.0])
def test_noise_is_no_movement(scene: str, sigma: float) -> None:
    shots = Shots(SCENES[scene](SIZE_HW), sigma=sigma)
    gate = settled(shots)
    assert not any(gate.moved(shots.next()) for _ in range(40))


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize(
    ("sigma", "contrast"),
    [(0.0, 16.0), (1.0, 18.0), (2.0, 24.0), (3.0, 32.0), (4.0, 40.0), (6.0, 55.0), (2.0, -24.0), (6.0, -55.0)],
)
def test_a_face_that_comes_is_seen_above_that_noise(scene: str, sigma: float, contrast: float) -> None:
    shots = Shots(SCENES[scene](SIZE_HW), sigma=sigma)
    gate = settled(shots)
    for place in ((0, 0), (30, 80), (SIZE_HW[0] - FACE_PX, SIZE_HW[1] - FACE_PX)):
        assert gate.moved(face_at(shots.next(), place, FACE_PX, contrast))
        assert not gate.moved(shots.next())


@pytest.mark.parametrize("scene", LIT)
@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.0, 4.0])
@pytest.mark.parametrize(
    ("gain", "offset"), [(0.8, 0.0), (1.25, 0.0), (1.0, 30.0), (1.0, -30.0), (0.75, 20.0), (1.3, -20.0)]
)
def test_light_is_no_movement_and_hides_none(scene: str, sigma: float, gain: float, offset: float) -> None:
    shots = Shots(LIT[scene](SIZE_HW), sigma=sigma)
    gate = settled(shots)
    assert not any(gate.moved(shots.next(gain=gain, offset=offset)) for _ in range(10))
    lit = shots.next(gain=gain, offset=offset)
    assert gate.moved(face_at(lit, (30, 80), FACE_PX, -(20.0 + 9 * sigma)))


@pytest.mark.parametrize("offset", [40.0, -25.0])
def test_an_even_change_is_no_movement_on_a_plain_wall(offset: float) -> None:
    shots = Shots(SCENES["wall"](SIZE_HW), sigma=2.0)
    gate = settled(shots)
    assert not any(gate.moved(shots.next(offset=offset)) for _ in range(10))


def test_slow_movement_adds_up() -> None:
    shots = Shots(SCENES["tiles"](SIZE_HW), sigma=0.0)
    gate = settled(shots)
    answers = [gate.moved(face_at(shots.next(), (40, 60), FACE_PX, contrast)) for contrast in range(0, 40, 2)]
    assert not any(answers[:4])
    assert all(answers[10:])
    assert sorted(answers) == answers, "what was seen once must not be forgotten before it is processed"


def test_a_frame_is_compared_with_the_last_that_was_processed() -> None:
    shots = Shots(SCENES["tiles"](SIZE_HW), sigma=0.0)
    gate = settled(shots)
    changed = face_at(shots.next(), (40, 60), FACE_PX, 80.0)
    assert gate.moved(changed)
    assert gate.moved(changed)
    gate.processed()
    assert not gate.moved(changed)
    assert gate.moved(shots.next())


def test_another_size_is_another_picture() -> None:
    shots = Shots(SCENES["ramp"](SIZE_HW), sigma=0.0)
    gate = settled(shots)
    turned = np.ascontiguousarray(shots.next().transpose(1, 0, 2))
    assert gate.moved(turned)
    gate.processed()
    assert not gate.moved(turned)
    assert gate.moved(shots.next())


def test_nothing_is_still_before_something_was_processed() -> None:
    gate = MotionGate(GateConfig())
    still = Shots(SCENES["ramp"](SIZE_HW), sigma=0.0).next()
    assert gate.moved(still)
    assert gate.moved(still)


def test_a_noisy_camera_that_calms_down_is_believed_again() -> None:
    noisy, calm = (Shots(SCENES["ramp"](SIZE_HW), sigma=sigma) for sigma in (6.0, 1.0))
    gate = settled(noisy, 60)
    faint = face_at(calm.next(), (40, 60), FACE_PX, 20.0)
    assert not gate.moved(faint), "this is below the noise, or the rest shows nothing"
    gate.moved(calm.next())
    gate.processed()
    for _ in range(160):
        gate.moved(calm.next())
    assert gate.moved(faint)


def test_a_camera_that_gets_noisy_is_followed() -> None:
    calm, noisy = (Shots(SCENES["ramp"](SIZE_HW), sigma=sigma) for sigma in (1.0, 6.0))
    gate = settled(calm)
    for _ in range(150):  # while something seems to move the noise is measured in every fourth frame
        if gate.moved(noisy.next()):
            gate.processed()
    assert not any(gate.moved(noisy.next()) for _ in range(20))


def test_after_darkness_it_is_as_before() -> None:
    shots = Shots(SCENES["tiles"](SIZE_HW), sigma=2.0)
    gate = settled(shots)
    black: Image = np.zeros((*SIZE_HW, 3), np.uint8)
    assert gate.moved(black)
    gate.processed()
    assert not any(gate.moved(black) for _ in range(100))
    assert gate.moved(shots.next())
    gate.processed()
    assert not any(gate.moved(shots.next()) for _ in range(40))
    assert gate.moved(face_at(shots.next(), (40, 60), FACE_PX, 24.0))


@pytest.mark.parametrize("size_hw", [(1, 1), (3, 2), (40, 1), (2160, 4)])
def test_any_size_has_samples(size_hw: tuple[int, int]) -> None:
    gate = MotionGate(GateConfig(moved_samples=1))
    black: Image = np.zeros((*size_hw, 3), np.uint8)
    half = black.copy()
    half[: (size_hw[0] + 1) // 2] = 200
    assert gate.moved(half)
    gate.processed()
    assert not gate.moved(half)
    assert gate.moved(half[::-1]) == (size_hw[0] > 1)
