"""What else could tell a photograph: the original's formula, and a classifier of how the identity's state moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Array = NDArray[np.float64]
ORIGINAL_THRESHOLD = 0.5
WARM_UP = 2
"""Looks whose change of the state is the start-up from nothing, not the face."""
_LEAST_STATES = 3
_FOLDS = 10
_SMALLEST = 1e-8


def original_score(states: Array) -> float:
    """The original system's liveness score of states `(T, D)`, T of at least 3: above 0.5 it says alive.

    `clamp(0.6 A + 0.4 B)` with A = sigmoid(50 (V - 0.001)), V the variance of the lengths of the state's changes, and
    B = 1 - max(r, 0), r the mean cosine of successive changes. With fewer than 3 states it is 0.5: unknown, not alive.
    """
    if len(states) < _LEAST_STATES:
        return ORIGINAL_THRESHOLD
    changes = np.diff(states, axis=0)
    lengths = np.linalg.norm(changes, axis=1)
    variance = float(lengths.var(ddof=1)) if len(lengths) > 1 else 0.0
    products = (changes[1:] * changes[:-1]).sum(axis=1)
    smoothness = float((products / np.maximum(lengths[1:] * lengths[:-1], _SMALLEST)).mean()) if len(products) else 0.0
    signal = 1.0 / (1.0 + np.exp(-50.0 * (variance - 0.001)))
    return float(np.clip(0.6 * signal + 0.4 * (1.0 - max(smoothness, 0.0)), 0.0, 1.0))


def trajectory_features(states: Array) -> Array:
    """How a state moves after the warm-up, `(6,)`: in direction, as it is a direction that is matched.

    Logarithms of the mean and the largest step, and of the spread; share of the spread along its main axis; how many
    axes there are; cosine of successive deviations from the mean.
    """
    unit = states / np.maximum(np.linalg.norm(states, axis=1, keepdims=True), _SMALLEST)
    late = unit[WARM_UP:]
    steps = np.linalg.norm(np.diff(late, axis=0), axis=1)
    around = late - late.mean(axis=0)
    power = np.linalg.svd(around, compute_uv=False) ** 2 + _SMALLEST
    lag = float((around[1:] * around[:-1]).sum() / power.sum())
    return np.array(
        [
            np.log(steps.mean() + _SMALLEST),
            np.log(steps.max() + _SMALLEST),
            0.5 * np.log(power.sum() / len(late)),
            np.log(power[0] / power.sum()),
            power.sum() ** 2 / (power**2).sum(),
            lag,
        ]
    )


def cross_validated(features: Array, alive: NDArray[np.bool_], person: NDArray[np.int64]) -> Array:
    """Score `(N,)` of each window, by a logistic regression that has not seen its person."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, class_weight="balanced", max_iter=1000))
    scores = cross_val_predict(
        classifier,
        features,
        alive,
        groups=person,
        cv=GroupKFold(min(_FOLDS, len(np.unique(person)))),
        method="decision_function",
    )
    return np.asarray(scores, np.float64)
