"""APCER of each kind of attack and BPCER, with intervals, of the check and of what else could decide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, binomtest

from crystaledge.errors import DataError
from crystaledge.metrics.bootstrap import Estimate, resample_people
from crystaledge.metrics.verification import auc, roc_curve, threshold_at_far
from crystaledge_benchmarks.liveness.sheet_motion import AttackKind
from crystaledge_benchmarks.liveness.trajectory import (
    ORIGINAL_THRESHOLD,
    cross_validated,
    original_score,
    trajectory_features,
)
from crystaledge_benchmarks.liveness.windows import Window

Array = NDArray[np.float64]
RESAMPLES = 2000
ASKED = 0.05
"""Share of the worst kind's windows that a threshold lets pass."""
_CONFIDENCE = 0.95
_NO_ATTACK = "No window shows an attack, so that there is no threshold; the detector may have found no face."
_NOTHING_PX = 0.0
"""Motion of a window that could not be compared: it is not called alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRate:
    """Share of windows called alive: APCER of a kind, one less BPCER of the living."""

    kind: str
    people: int
    windows: int
    called_alive: Estimate
    area: float | None
    """Under the curve against the living; None of the living themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodResult:
    """One way to decide, at one threshold."""

    method: str
    threshold: float
    attacks: tuple[KindRate, ...]
    alive: KindRate | None
    """None where nobody alive was shown."""


def motion_scores(windows: Sequence[Window]) -> Array:
    """What the check measures, `(N,)` pixels."""
    return np.array([_NOTHING_PX if one.motion_px is None else one.motion_px for one in windows])


def original_scores(windows: Sequence[Window]) -> Array:
    """The original's formula, `(N,)`."""
    return np.array([original_score(one.states) for one in windows])


def trajectory_scores(windows: Sequence[Window]) -> Array:
    """A cross-validated classifier of trajectories, `(N,)`."""
    return _classified(windows, lambda one: trajectory_features(one.states))


def joint_scores(windows: Sequence[Window]) -> Array:
    """The same of trajectories and of the check's own measure, `(N,)`."""
    return _classified(windows, lambda one: np.append(trajectory_features(one.states), _log_motion(one)))


def threshold_for(scores: Array, windows: Sequence[Window], asked: float = ASKED) -> float:
    """The lowest threshold at which no kind of attack passes more often than asked.

    Raises:
        DataError: there is no attack.
    """
    kinds = {one.kind for one in windows} - {None}
    if not kinds:
        raise DataError(_NO_ATTACK)
    return max(_threshold(scores[[one.kind is kind for one in windows]], asked) for kind in kinds)


def promised_threshold(scores: Array, windows: Sequence[Window], asked: float = ASKED) -> float:
    """The lowest threshold of which it can be said, with 95 % confidence, that no kind passes more often than asked.

    Of n windows so many may lie above it as make a binomial of the rate asked unlikely: a distribution-free tolerance
    limit (Wilks, 1941). Where none may, it is just above the highest.

    Raises:
        DataError: there is no attack.
    """
    kinds = {one.kind for one in windows} - {None}
    if not kinds:
        raise DataError(_NO_ATTACK)
    limits = []
    for kind in kinds:
        ranked = np.sort(scores[[one.kind is kind for one in windows]])[::-1]
        above = np.flatnonzero(binom.cdf(np.arange(len(ranked)), len(ranked), asked) <= 1.0 - _CONFIDENCE)
        limits.append(float(np.nextafter(ranked[above[-1] if len(above) else 0], np.inf)))
    return max(limits)


def judge(method: str, scores: Array, windows: Sequence[Window], threshold: float, *, seed: int) -> MethodResult:
    """Error rates of calling everything above a threshold alive."""
    rates = {kind: _rate(kind, scores, windows, threshold, seed) for kind in (None, *AttackKind)}
    attacks = tuple(rate for kind, rate in rates.items() if kind is not None and rate is not None)
    return MethodResult(method=method, threshold=threshold, attacks=attacks, alive=rates[None])


METHODS: dict[str, tuple[Callable[[Sequence[Window]], Array], float | None]] = {
    "the original's formula": (original_scores, float(np.nextafter(ORIGINAL_THRESHOLD, 1.0))),  # alive is above it
    "trajectory, cross-validated": (trajectory_scores, None),
    "trajectory and unexplained motion, cross-validated": (joint_scores, None),
}
"""What is measured beside the check; those without a threshold take the one for `ASKED` on the same windows."""


def share_of(hits: NDArray[np.bool_], people: Sequence[str], *, seed: int) -> Estimate:
    """Share of the windows, resampled by person; where it is nothing or all, exact by the number of people."""
    names, owner = np.unique(people, return_inverse=True)
    share = float(hits.mean())
    if share in (0.0, 1.0):
        exact = binomtest(round(share * len(names)), len(names)).proportion_ci(0.95, method="exact")
        return Estimate(share, float(exact.low), float(exact.high))
    drawn = resample_people(len(names), RESAMPLES, seed=seed)
    found = drawn @ np.bincount(owner, weights=hits) / (drawn @ np.bincount(owner).astype(np.float64))
    low, high = np.quantile(found, (0.025, 0.975))
    return Estimate(share, float(low), float(high))


def _threshold(scores: Array, asked: float) -> float:
    """Where windows of one kind are too few for any to pass, it is just above the highest."""
    found = threshold_at_far(roc_curve(scores, np.zeros(len(scores), bool)), asked)
    return found if np.isfinite(found) else float(np.nextafter(scores.max(), np.inf))


def _rate(
    kind: AttackKind | None, scores: Array, windows: Sequence[Window], threshold: float, seed: int
) -> KindRate | None:
    chosen = np.array([one.kind is kind for one in windows])
    if not chosen.any():
        return None
    people = [one.person for one in windows if one.kind is kind]
    alive = np.array([one.kind is None for one in windows])
    area = None if kind is None or not alive.any() else _area(scores[alive], scores[chosen])
    return KindRate(
        kind="alive" if kind is None else kind.value,
        people=len(set(people)),
        windows=len(people),
        called_alive=share_of(scores[chosen] >= threshold, people, seed=seed),
        area=area,
    )


def _area(alive: Array, attacks: Array) -> float:
    same = np.arange(len(alive) + len(attacks)) < len(alive)
    return auc(roc_curve(np.concatenate([alive, attacks]), same))


def _classified(windows: Sequence[Window], features_of: Callable[[Window], Array]) -> Array:
    features = np.array([features_of(one) for one in windows])
    person = np.unique([one.person for one in windows], return_inverse=True)[1]
    return cross_validated(features, np.array([one.kind is None for one in windows]), person)


def _log_motion(window: Window) -> float:
    return float(np.log((window.motion_px or _NOTHING_PX) + 0.01))
