"""How a held sheet moves: what each kind may move, how far, how smoothly, and again from the same seed."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge_benchmarks.liveness.sheet_motion import (
    BEND,
    DISTANCE_LOG,
    PITCH_DEG,
    ROLL_DEG,
    SHIFT_SHARE,
    TREMOR_SHARE,
    YAW_DEG,
    AttackKind,
    SheetMotion,
    sheet_motion,
    wander,
)

HELD = {"shift_x", "shift_y", "roll_rad", "distance"}
TURNED = HELD | {"yaw_rad", "pitch_rad"}
MOVES: dict[AttackKind, set[str]] = {
    AttackKind.STAND: set(),
    AttackKind.HAND: HELD,
    AttackKind.TILTED: TURNED,
    AttackKind.BENT: TURNED | {"bend"},
    AttackKind.COMPRESSED: HELD,
}
LIVELY_RMS = float(np.sqrt(1.0 + 1.0 / 12.0))
"""Of a factor that is uniform from a half to one and a half."""


@pytest.mark.parametrize("kind", AttackKind)
def test_a_kind_moves_only_what_it_should(kind: AttackKind) -> None:
    values = _values(_motion(kind, 30, seed=1))
    still = {name for name, value in values.items() if (value == (1.0 if name == "distance" else 0.0)).all()}
    assert set(values) - still == MOVES[kind]
    assert {value.shape for value in values.values()} == {(30,)}


@pytest.mark.parametrize("kind", AttackKind)
def test_a_seed_is_a_motion(kind: AttackKind) -> None:
    first, again, other = (_values(_motion(kind, 9, seed=seed)) for seed in (4, 4, 5))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert all(not np.array_equal(first[name], other[name]) for name in MOVES[kind])


def test_it_moves_as_far_as_is_written() -> None:
    motions = [_values(_motion(AttackKind.BENT, 2, seed=seed)) for seed in range(3000)]
    spread = {
        name: float(np.std([np.log(m[name]) if name == "distance" else m[name] for m in motions]))
        for name in MOVES[AttackKind.BENT]
    }
    written = {
        "shift_x": float(np.hypot(SHIFT_SHARE, TREMOR_SHARE)),
        "shift_y": float(np.hypot(SHIFT_SHARE, TREMOR_SHARE)),
        "roll_rad": float(np.deg2rad(ROLL_DEG)),
        "yaw_rad": float(np.deg2rad(YAW_DEG)),
        "pitch_rad": float(np.deg2rad(PITCH_DEG)),
        "distance": DISTANCE_LOG,
        "bend": BEND,
    }
    assert spread == {name: pytest.approx(LIVELY_RMS * value, rel=0.07) for name, value in written.items()}


def test_a_tremor_is_quicker_than_a_turn() -> None:
    motion = _motion(AttackKind.TILTED, 4000, seed=0)
    assert _correlation(motion.yaw_rad, 1) > _correlation(motion.shift_x, 1) > 0.5


@pytest.mark.parametrize("correlation", [0.8, 3.0, 8.0])
def test_a_wander_is_as_likely_everywhere_and_forgets_exponentially(correlation: float) -> None:
    values = wander(150_000, correlation, np.random.default_rng(2))
    assert values.mean() == pytest.approx(0.0, abs=0.06)
    assert values.var() == pytest.approx(1.0, abs=0.06)
    for lag in (1, 2, 5, 10):
        assert _correlation(values, lag) == pytest.approx(np.exp(-lag / correlation), abs=0.04)


def test_a_wander_begins_as_it_goes_on() -> None:
    generator = np.random.default_rng(3)
    many = np.array([wander(4, 5.0, generator) for _ in range(6000)])
    assert many.var(axis=0) == pytest.approx(np.ones(4), abs=0.08)
    assert np.corrcoef(many.T)[0, 3] == pytest.approx(np.exp(-3 / 5), abs=0.05)


def test_a_wander_is_its_recurrence() -> None:
    noise = np.random.default_rng(8).normal(size=6)
    expected = [float(noise[0])]
    for step in range(1, 6):
        expected.append(np.exp(-1 / 4) * expected[-1] + np.sqrt(1 - np.exp(-2 / 4)) * noise[step])
    assert wander(6, 4.0, np.random.default_rng(8)) == pytest.approx(np.array(expected))


def _motion(kind: AttackKind, frames: int, *, seed: int) -> SheetMotion:
    return sheet_motion(kind, frames, fps=10.0, generator=np.random.default_rng(seed))


def _values(motion: SheetMotion) -> dict[str, NDArray[np.float64]]:
    return {field.name: getattr(motion, field.name) for field in fields(motion)}


def _correlation(values: NDArray[np.float64], lag: int) -> float:
    return float(np.corrcoef(values[lag:], values[:-lag])[0, 1])
