"""Metrics of images: against their definitions, written out, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from crystaledge.errors import ContractError, UsageError
from crystaledge_training.evaluation.anomaly import ImageMetrics, auroc, image_metrics, share_estimate
from tests.support.messages import message_of

KINDS = (None, None, None, "bent", "cut")


def measure(raw: list[float], defects: list[str | None], threshold: float, bootstrap: int = 0) -> ImageMetrics:
    return image_metrics(np.array(raw), defects, threshold=threshold, bootstrap=bootstrap, seed=0)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_metrics_are_those_of_their_definitions(seed: int) -> None:
    generator = np.random.default_rng(seed)
    defects = [KINDS[i] for i in generator.integers(0, len(KINDS), 30)]
    raw = generator.integers(0, 6, 30).astype(np.float64)  # with ties
    found = image_metrics(raw, defects, threshold=3.0, bootstrap=0, seed=0)
    high = [r for r, d in zip(raw, defects, strict=True) if d]
    low = [r for r, d in zip(raw, defects, strict=True) if not d]
    wins = [1.0 if h > n else 0.5 if h == n else 0.0 for h in high for n in low]
    assert found.auroc.value == pytest.approx(float(np.mean(wins)))
    truth, said = [d is not None for d in defects], raw >= 3.0
    assert found.auroc.value == pytest.approx(roc_auc_score(truth, raw))
    assert found.recall == pytest.approx(recall_score(truth, said))
    assert found.precision == pytest.approx(precision_score(truth, said, zero_division=math.nan), nan_ok=True)
    assert found.f1 == pytest.approx(f1_score(truth, said, zero_division=0.0))
    assert found.false_alarm_rate.value == pytest.approx(float(np.mean(np.array(low) >= 3.0)))
    assert (found.normal, found.anomalous) == (len(low), len(high))


class TestAurocInterval:
    def test_is_the_spread_of_redrawn_test_sets(self) -> None:
        generator = np.random.default_rng(5)
        normal, anomalous = generator.normal(0.0, 1.0, 40), generator.normal(1.0, 1.0, 60)
        found = image_metrics(
            np.concatenate([normal, anomalous]), [None] * 40 + ["cut"] * 60, threshold=0.5, bootstrap=600, seed=1
        ).auroc
        drawn = [
            auroc(
                np.concatenate([generator.choice(normal, 40), generator.choice(anomalous, 60)]),
                np.repeat([False, True], [40, 60]),
            )
            for _ in range(600)
        ]
        low, high = np.percentile(drawn, [2.5, 97.5])
        assert found.low == pytest.approx(low, abs=0.02)
        assert found.high == pytest.approx(high, abs=0.02)
        assert found.low < found.value < found.high

    def test_of_equal_seeds_is_equal(self) -> None:
        raw, defects = [0.1, 0.4, 0.3, 0.9, 0.2], [None, None, "cut", "cut", "cut"]
        assert measure(raw, defects, 0.5, bootstrap=50) == measure(raw, defects, 0.5, bootstrap=50)

    def test_is_left_out_without_resamples(self) -> None:
        found = measure([0.1, 0.9], [None, "cut"], 0.5).auroc
        assert found.value == 1.0 and math.isnan(found.low) and math.isnan(found.high)


class TestByDefect:
    def test_each_kind_stands_against_all_normal_images(self) -> None:
        found = measure([0.1, 0.5, 0.3, 0.9, 0.8], [None, None, "cut", "bent", "bent"], 0.5)
        assert [(row.defect, row.images, row.auroc, row.recall) for row in found.by_defect] == [
            ("bent", 2, 1.0, 1.0),
            ("cut", 1, 0.5, 0.0),
        ]


class TestOneKindOfImage:
    def test_no_anomalous_images_leave_a_false_alarm_rate(self) -> None:
        found = measure([0.1, 0.9], [None, None], 0.5, bootstrap=10)
        assert math.isnan(found.auroc.value) and math.isnan(found.recall)
        assert found.false_alarm_rate.value == 0.5 and found.by_defect == ()

    def test_no_normal_images_leave_a_recall(self) -> None:
        found = measure([0.1, 0.9], ["cut", "cut"], 0.5)
        assert math.isnan(found.auroc.value) and math.isnan(found.false_alarm_rate.value)
        assert found.recall == 0.5 and math.isnan(found.by_defect[0].auroc)

    def test_no_images_at_all(self) -> None:
        found = measure([], [], 0.5, bootstrap=10)
        assert (found.normal, found.anomalous) == (0, 0) and math.isnan(found.f1)


def test_an_exact_interval_holds_what_it_should() -> None:
    # Of 41 without one: 1 - 0.025 ** (1 / 41) is the upper end, by hand.
    found = share_estimate(0, 41)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(1.0 - 0.025 ** (1.0 / 41.0))


class TestRefuses:
    def test_scores_that_are_not_finite(self) -> None:
        with pytest.raises(ContractError) as raised:
            measure([0.1, math.nan], [None, "cut"], 0.5)
        assert "image 1" in message_of(raised)

    def test_other_numbers_of_scores_than_images(self) -> None:
        with pytest.raises(UsageError) as raised:
            measure([0.1], [None, "cut"], 0.5)
        assert "2 images" in message_of(raised)

    def test_a_negative_number_of_resamples(self) -> None:
        with pytest.raises(UsageError) as raised:
            measure([0.1], [None], 0.5, bootstrap=-1)
        assert "-1 resamples" in message_of(raised)
