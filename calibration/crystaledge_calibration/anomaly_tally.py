"""Running counts of how two graphs judge the same images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crystaledge.anomaly.scoring import Scored
from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.anomaly.verdict import AnomalyVerdict, verdict_of
from crystaledge.metrics.bootstrap import estimate
from crystaledge.metrics.verification import auc, roc_curve
from crystaledge_calibration.anomaly_agreement import apart
from crystaledge_calibration.anomaly_records import AnomalyParity, AurocParity
from crystaledge_calibration.records import Interval

Float64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
_RESAMPLES = 400


class AnomalyTally:
    """Raw scores of two graphs.

    Args:
        normal: of each image in turn, whether nothing is wrong with it; None where nobody says.
    """

    def __init__(self, decision: AnomalyDecision, normal: Sequence[bool | None]) -> None:
        self._decision, self._normal = decision, tuple(normal)
        self._raw: tuple[list[float], list[float]] = ([], [])

    def add(self, reference: Scored, other: Scored) -> None:
        """Take in the next image."""
        self._raw[0].append(reference.raw)
        self._raw[1].append(other.raw)

    def record(self) -> AnomalyParity:
        """What was seen."""
        decision = self._decision
        alarms = [np.array([_alarm(raw, decision) for raw in side]) for side in self._raw]
        distances = np.array([apart(*pair, decision) for pair in zip(*self._raw, strict=True)])
        good = np.array([label is True for label in self._normal])
        normal, anomalous = int(good.sum()), sum(label is False for label in self._normal)
        return AnomalyParity(
            images=len(distances),
            normal=normal,
            anomalous=anomalous,
            threshold=decision.threshold,
            false_alarm_rate=decision.false_alarm_rate,
            alarms_float=int(alarms[0].sum()),
            alarms_deployed=int(alarms[1].sum()),
            false_alarms_float=int((alarms[0] & good).sum()),
            false_alarms_deployed=int((alarms[1] & good).sum()),
            same_verdict=float((alarms[0] == alarms[1]).mean()),
            score_apart=float(np.abs(distances).mean()),
            score_shift=float(distances.mean()),
            auroc=self._auroc() if normal and anomalous else None,
            not_run=(*_no_auroc(normal, anomalous), *_one_verdict(alarms[0])),
        )

    def _auroc(self) -> AurocParity:
        """Of the labelled images."""
        labelled = np.array([label is not None for label in self._normal])
        anomalous = np.array([label is False for label in self._normal])[labelled]
        sides = [np.array(side, np.float64)[labelled] for side in self._raw]
        reference, deployed = (auc(roc_curve(side, anomalous)) for side in sides)
        loss = _interval(reference - deployed, sides[0], sides[1], anomalous)
        return AurocParity(reference=reference, deployed=deployed, loss=loss)


def _alarm(raw: float, decision: AnomalyDecision) -> bool:
    return verdict_of(raw, decision) is AnomalyVerdict.ANOMALOUS


def _interval(loss: float, reference: Float64, deployed: Float64, anomalous: Bools) -> Interval:
    """The loss with its interval over resampled images, the same for both sides."""
    random = np.random.default_rng(0)
    samples = np.full(_RESAMPLES, np.nan)
    for number in range(_RESAMPLES):
        drawn = random.integers(0, len(anomalous), len(anomalous))
        if anomalous[drawn].any() and not anomalous[drawn].all():
            sides = (auc(roc_curve(side[drawn], anomalous[drawn])) for side in (reference, deployed))
            samples[number] = next(sides) - next(sides)
    found = estimate(loss, samples)
    known = not np.isnan(found.low)
    return Interval(value=loss, low=found.low if known else loss, high=found.high if known else loss)


def _no_auroc(normal: int, anomalous: int) -> tuple[str, ...]:
    """Why there is no AUROC; () where there is."""
    if normal and anomalous:
        return ()
    if not normal and not anomalous:
        return ("AUROC: not run: no folder named 'good' says which images are normal",)
    return (f"AUROC: not run: all {normal or anomalous} labelled images are {'normal' if normal else 'anomalous'}",)


def _one_verdict(alarms: Bools) -> tuple[str, ...]:
    """What equal verdicts do not show where the float graph gives one only."""
    if not alarms.any():
        return (f"verdicts on anomalous images: not run: the float graph finds none of {len(alarms)} images anomalous",)
    if alarms.all():
        return (f"verdicts on normal images: not run: the float graph finds all {len(alarms)} images anomalous",)
    return ()
