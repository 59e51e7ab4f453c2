"""Counts of verdicts, and the curve where labels allow one, by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from crystaledge.anomaly.scoring import Scored
from crystaledge_calibration.anomaly_records import AnomalyLimits, AnomalyParity
from crystaledge_calibration.anomaly_tally import AnomalyTally
from tests.calibration.anomaly_builders import DECISION

CELLS = np.zeros((1, 1), np.float32)
LIMITS = AnomalyLimits()


def tallied(pairs: Sequence[tuple[float, float]], normal: Sequence[bool | None]) -> AnomalyParity:
    """Raw scores as spreads above the threshold."""
    tally = AnomalyTally(DECISION, normal)
    for pair in pairs:
        left, right = (Scored(DECISION.threshold + steps * DECISION.spread, CELLS) for steps in pair)
        tally.add(left, right)
    return tally.record()


def test_verdicts_and_distances_are_those_at_the_threshold() -> None:
    found = tallied([(-2.0, -1.9), (-1.0, 0.0), (1.0, 0.9), (9.0, 7.0)], [True, True, False, None])
    assert (found.images, found.normal, found.anomalous) == (4, 2, 1)
    assert (found.alarms_float, found.alarms_deployed) == (2, 3)
    assert (found.false_alarms_float, found.false_alarms_deployed) == (0, 1)
    assert found.same_verdict == 0.75
    assert found.score_apart == pytest.approx((0.1 + 1.0 + 0.1 + 0.0) / 4)
    assert found.score_shift == pytest.approx((0.1 + 1.0 - 0.1 + 0.0) / 4)


def test_the_curve_is_that_of_the_labelled_images() -> None:
    good, bad = [(-2.0, -2.0), (-1.0, 3.0)], [(0.5, 0.5), (2.0, 2.0)]
    found = tallied([*good, *bad, (-9.0, 9.0)], [True, True, False, False, None])
    assert found.auroc is not None
    assert (found.auroc.reference, found.auroc.deployed) == (1.0, 0.5)
    loss = found.auroc.loss
    assert loss.value == 0.5 and loss.low <= 0.5 <= loss.high
    assert [demand.what for demand in found.demands(LIMITS) if not demand.met][1] == "loss of AUROC"


@pytest.mark.parametrize(
    ("normal", "said"),
    [
        ([None, None], "AUROC: not run: no folder named 'good' says which images are normal"),
        ([True, True], "AUROC: not run: all 2 labelled images are normal"),
        ([False, None], "AUROC: not run: all 1 labelled images are anomalous"),
    ],
)
def test_where_there_is_no_curve_it_is_said(normal: list[bool | None], said: str) -> None:
    found = tallied([(-1.0, -1.0), (1.0, 1.0)], normal)
    assert found.auroc is None and found.not_run == (said,)
    assert said in found.says() and said in found.told()
    assert "loss of AUROC" not in [demand.what for demand in found.demands(LIMITS)]


@pytest.mark.parametrize(
    ("steps", "said"),
    [(-1.0, "verdicts on anomalous images: not run"), (1.0, "verdicts on normal images: not run")],
)
def test_where_one_verdict_is_all_there_is_it_is_said(steps: float, said: str) -> None:
    found = tallied([(steps, steps)] * 3, [None] * 3)
    assert found.same_verdict == 1.0 and said in found.says()


@pytest.mark.parametrize(
    ("pairs", "demand"),
    [
        ([(-1.0, -1.0)] * 98 + [(-0.05, 0.05)] * 2, "images with the same verdict"),
        ([(-2.0, -1.7)] * 100, "difference of their scores, in spreads"),
    ],
)
def test_each_demand_stands_alone(pairs: list[tuple[float, float]], demand: str) -> None:
    found = tallied(pairs, [None] * len(pairs))
    assert [one.what for one in found.demands(LIMITS) if not one.met] == [demand]
