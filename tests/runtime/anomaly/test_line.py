"""What a camera over a line remembers."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge.anomaly.line import LineOptions, NormalDrift, StillPicture
from crystaledge.errors import UsageError
from crystaledge.preprocessing.preprocessor import normalisation_table
from crystaledge.preprocessing.spec import Preprocessing
from tests.runtime.anomaly.test_region_and_verdict import DECISION


def test_without_a_window_scores_stay_as_they_are() -> None:
    drift = NormalDrift(DECISION, images=0)
    assert [drift.corrected(raw) for raw in (0.5, 1.9, 7.0)] == [0.5, 1.9, 7.0]
    assert drift.shift == 0.0


def test_a_slow_drift_is_taken_off_and_an_anomaly_still_stands_out() -> None:
    drift = NormalDrift(DECISION, images=10)
    random = np.random.default_rng(0)
    for step in range(400):  # normal comes to score 0.9 more: the threshold is 1.0 above the centre
        raw = 1.0 + 0.9 * step / 400 + random.normal(0, 0.1)
        assert drift.corrected(raw) < DECISION.threshold
    assert drift.shift == pytest.approx(0.9, abs=0.1)
    assert drift.corrected(1.0 + 0.9 + 1.3) >= DECISION.threshold


def test_what_is_anomalous_teaches_nothing_and_belief_has_an_end() -> None:
    drift = NormalDrift(DECISION, images=5)
    for _ in range(100):
        drift.corrected(5.0)
    assert drift.shift == 0.0
    for step in range(2000):
        drift.corrected(1.0 + 0.005 * step)
    assert drift.shift <= 4 * DECISION.spread


def test_a_score_is_never_below_zero() -> None:
    drift = NormalDrift(DECISION, images=2)
    for _ in range(20):
        drift.corrected(1.8)
    assert drift.corrected(0.0) == 0.0


def test_a_still_picture_is_held_and_a_small_change_is_seen() -> None:
    spec = Preprocessing(size_hw=(32, 48))
    table = normalisation_table(spec)
    still = StillPicture(spec.size_hw, table)
    random = np.random.default_rng(3)
    picture = random.integers(60, 180, (32, 48, 3), dtype=np.uint8)
    assert still.changed(picture)
    noisy = np.clip(picture.astype(int) + random.integers(-2, 3, picture.shape), 0, 255).astype(np.uint8)
    assert not still.changed(noisy)
    np.testing.assert_array_equal(still.tensor[0], table[0][picture[..., 0]])
    scratched = picture.copy()
    scratched[10:13, 20:23] = 255
    assert still.changed(scratched)
    np.testing.assert_array_equal(still.tensor[1][10:13, 20:23], table[1][scratched[10:13, 20:23, 1]])


def test_refuses_a_negative_window() -> None:
    with pytest.raises(UsageError, match="at least 0"):
        LineOptions(adapt_images=-1)
