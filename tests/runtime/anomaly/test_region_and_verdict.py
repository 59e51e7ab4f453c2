"""Where it is, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from crystaledge.anomaly.region import region_xyxy
from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.anomaly.verdict import AnomalyVerdict, normalised, verdict_of
from crystaledge.errors import ContractError

DECISION = AnomalyDecision(
    threshold=2.0,
    centre=1.0,
    spread=0.25,
    false_alarm_rate=0.05,
    false_alarm_interval=(0.01, 0.12),
    held_out=48,
    region_threshold=1.5,
    blur_cells=0.5,
    neighbours=9,
    rerank=16,
    calibrated_on="drawn images",
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9), st.floats(0.0, 1.0))
def test_region_is_scipys_component_around_the_peak(seed: int, height: int, width: int, threshold: float) -> None:
    cells = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    found = region_xyxy(cells, threshold=threshold, size_hw=(height * 8, width * 4))
    peak = np.unravel_index(cells.argmax(), cells.shape)
    if cells[peak] < threshold:
        assert found is None
        return
    components, _ = label(cells >= threshold, structure=np.ones((3, 3)))
    ys, xs = np.nonzero(components == components[peak])
    assert found == (xs.min() * 4, ys.min() * 8, (xs.max() + 1) * 4, (ys.max() + 1) * 8)


def test_one_half_is_the_threshold_and_both_ends_are_reached() -> None:
    assert normalised(2.0, DECISION) == 0.5
    assert normalised(0.0, DECISION) < 0.001
    assert normalised(1e9, DECISION) == 1.0
    assert normalised(0.0, replace(DECISION, threshold=1e9, spread=1e-9)) == pytest.approx(0.0)


@given(st.floats(0.0, 10.0), st.floats(0.0, 10.0))
def test_scores_rise_with_the_raw_ones_and_agree_with_the_verdict(low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert normalised(low, DECISION) <= normalised(high, DECISION)
    assert (verdict_of(high, DECISION) is AnomalyVerdict.ANOMALOUS) == (high >= 2.0)


def test_refuses_contradictions() -> None:
    with pytest.raises(ContractError, match="interval"):
        replace(DECISION, false_alarm_interval=(0.2, 0.1))
    with pytest.raises(ContractError, match="without neighbours"):
        replace(DECISION, neighbours=0)
