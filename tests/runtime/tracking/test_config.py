"""Every limit of the configuration has a value that is refused."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from crystaledge.errors import UsageError
from crystaledge.jsonio import dumps, loads
from crystaledge.tracking.config import MotionNoise, TrackerConfig
from tests.support.messages import message_of

BAD = {
    "high_score": 1.1,
    "low_score": 0.7,
    "birth_hits": 0,
    "birth_window_s": 0.0,
    "coast_s": 0.0,
    "occluded_coast_s": 0.01,
    "lost_s": math.inf,
    "overlap_gate": 0.0,
    "low_overlap_gate": 1.5,
    "buffer_min": -0.1,
    "buffer_max": 0.0,
    "buffer_sd": -1.0,
    "unseen_trust": 0.0,
    "occlusion_cover": -0.1,
    "duplicate_iou": 0.0,
    "duplicate_s": -1.0,
    "reupdate_after_s": -1.0,
    "similarity_accept": 0.0,
    "similarity_reject": 100.0,
    "similarity_weight": -1.0,
    "doubt_after_s": -1.0,
    "newcomer_s": -1.0,
    "patience_s": -1.0,
}


@pytest.mark.parametrize(("name", "value"), BAD.items())
def test_a_limit_out_of_range_is_refused(name: str, value: float) -> None:
    limits = {"buffer_min": 0.05} if name == "buffer_max" else {}
    with pytest.raises(UsageError) as raised:
        TrackerConfig(**{**limits, name: value})  # type: ignore[arg-type]
    assert name in message_of(raised)


@pytest.mark.parametrize("name", [f.name for f in fields(TrackerConfig) if f.name not in ("motion", "birth_hits")])
def test_nan_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        TrackerConfig(**{name: math.nan})  # type: ignore[arg-type]


def test_every_field_has_a_planted_fault() -> None:
    assert set(BAD) == {f.name for f in fields(TrackerConfig)} - {"motion"}


@pytest.mark.parametrize("name", [f.name for f in fields(MotionNoise)])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_noise_is_positive(name: str, value: float) -> None:
    with pytest.raises(UsageError) as raised:
        MotionNoise(**{name: value})
    assert message_of(raised).startswith(name)


def test_it_encodes_to_json() -> None:
    config = TrackerConfig(coast_s=2.0, motion=MotionNoise(speed_sd=3.0))
    assert loads(TrackerConfig, dumps(config), where="tracker.json") == config
