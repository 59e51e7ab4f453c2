"""A result says what it covers and what it does not, wherever it is shown."""

from __future__ import annotations

import json

from crystaledge.jsonio import encode
from crystaledge.liveness.result import COVERED, NOT_COVERED, Liveness, LivenessResult, undecided


def test_at_first_nothing_is_known() -> None:
    result = undecided(1.5)
    assert result == LivenessResult(verdict=Liveness.UNKNOWN, motion_px=None, threshold_px=1.5, windows=0)


def test_as_json_it_carries_its_limits() -> None:
    result = LivenessResult(verdict=Liveness.PHOTOGRAPH, motion_px=0.25, threshold_px=1.5, windows=2)
    assert json.loads(json.dumps(encode(result))) == {
        "verdict": "photograph",
        "motion_px": 0.25,
        "threshold_px": 1.5,
        "windows": 2,
        "covered": list(COVERED),
        "not_covered": list(NOT_COVERED),
    }


def test_films_masks_shadows_and_injected_streams_are_not_claimed() -> None:
    words = " ".join(NOT_COVERED)
    assert all(attack in words for attack in ("film", "mask", "cut-out", "hand", "light", "stream"))
    assert not set(COVERED) & set(NOT_COVERED)
