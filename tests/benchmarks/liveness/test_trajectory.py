"""The original's formula and features of trajectories against loops; nobody is scored by who has seen them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold
from sklearn.preprocessing import StandardScaler

from crystaledge.metrics.verification import auc, roc_curve
from crystaledge_benchmarks.liveness import trajectory
from crystaledge_benchmarks.liveness.trajectory import (
    ORIGINAL_THRESHOLD,
    WARM_UP,
    cross_validated,
    original_score,
    trajectory_features,
)
from tests.benchmarks.liveness.builders import walk

Array = NDArray[np.float64]
PEOPLE, OF_EACH = 24, 6


class Leaky:
    """Folds that everybody is on both sides of."""

    def __init__(self, folds: int) -> None:
        self.folds = KFold(folds, shuffle=True, random_state=0)

    def get_n_splits(self, *_: object) -> int:
        return int(self.folds.get_n_splits())

    def split(self, features: Array, *_: object, groups: object) -> Iterator[tuple[NDArray[np.int64], ...]]:
        yield from self.folds.split(features)


def naive_original(states: Array) -> float:
    """Section 1.5 of the reference, step by step."""
    if len(states) < 3:
        return 0.5
    deltas = [[float(b - a) for a, b in zip(one, two, strict=True)] for one, two in pairwise(states)]
    magnitudes = [math.sqrt(sum(value * value for value in delta)) for delta in deltas]
    mean = sum(magnitudes) / len(magnitudes)
    variance = sum((m - mean) ** 2 for m in magnitudes) / (len(magnitudes) - 1) if len(magnitudes) > 1 else 0.0
    cosines = []
    for t in range(1, len(deltas)):
        dot = sum(a * b for a, b in zip(deltas[t], deltas[t - 1], strict=True))
        cosines.append(dot / max(magnitudes[t] * magnitudes[t - 1], 1e-8))
    smoothness = sum(cosines) / len(cosines) if cosines else 0.0
    signal = 1.0 / (1.0 + math.exp(-50.0 * (variance - 0.001)))
    return min(max(0.6 * signal + 0.4 * (1.0 - max(smoothness, 0.0)), 0.0), 1.0)


def naive_features(states: Array) -> list[float]:
    """By the eigenvalues of the scatter matrix, element by element."""
    unit = [row / math.sqrt(sum(v * v for v in row)) for row in states][WARM_UP:]
    steps = [math.dist(a, b) for a, b in pairwise(unit)]
    mean = sum(unit) / len(unit)
    around = [row - mean for row in unit]
    scatter = np.array([[sum(row[i] * row[j] for row in around) for j in range(len(mean))] for i in range(len(mean))])
    rank = min(len(unit), len(mean))
    power = sorted((float(value) + 1e-8 for value in np.linalg.eigvalsh(scatter)), reverse=True)[:rank]
    lag = sum(float(a @ b) for a, b in pairwise(around))
    return [
        math.log(sum(steps) / len(steps) + 1e-8),
        math.log(max(steps) + 1e-8),
        math.log(math.sqrt(sum(power) / len(unit))),
        math.log(power[0] / sum(power)),
        sum(power) ** 2 / sum(value * value for value in power),
        lag / sum(power),
    ]


@pytest.mark.parametrize("looks", [3, 4, 10, 30])
@pytest.mark.parametrize("scale", [0.0, 1e-6, 0.01, 0.1, 1.0, 1e3])
def test_the_original_says_what_its_section_says(looks: int, scale: float) -> None:
    for seed in range(5):
        states = scale * walk(seed, looks)
        assert original_score(states) == pytest.approx(naive_original(states), rel=1e-9)


@pytest.mark.parametrize("looks", [1, 2])
def test_of_fewer_than_three_states_the_original_says_nothing(looks: int) -> None:
    assert original_score(walk(0, looks)) == naive_original(walk(0, looks)) == ORIGINAL_THRESHOLD


def test_the_original_calls_what_does_not_move_alive() -> None:
    assert original_score(np.ones((10, 4))) == pytest.approx(0.6 / (1.0 + math.exp(0.05)) + 0.4)
    straight = np.arange(10.0)[:, None] * np.ones((1, 4))
    assert original_score(straight) == pytest.approx(0.6 / (1.0 + math.exp(0.05)))
    # The section's own numbers: with no variance it is the smoothness that decides, at 0.481.
    assert original_score(straight) < ORIGINAL_THRESHOLD < original_score(np.ones((10, 4)))


def test_to_and_fro_is_no_smoother_than_not_at_all() -> None:
    there_and_back = np.array([[0.0], [1.0], [0.0], [1.0]])
    assert original_score(there_and_back) == original_score(np.ones((4, 1)))


@pytest.mark.parametrize("seed", range(6))
def test_features_are_those_of_a_loop(seed: int) -> None:
    states = walk(seed, 10, width=3 + seed)
    assert trajectory_features(states) == pytest.approx(np.array(naive_features(states)), rel=1e-6)


def test_features_know_neither_length_nor_warm_up() -> None:
    states = walk(3)
    longer = states * np.random.default_rng(0).uniform(0.5, 2.0, (10, 1))
    longer[:WARM_UP] = 77.0
    assert trajectory_features(longer) == pytest.approx(trajectory_features(states))


def test_features_of_what_does_not_move_are_finite() -> None:
    for states in (np.ones((10, 4)), np.zeros((10, 4))):
        assert np.isfinite(trajectory_features(states)).all()


def test_a_straight_way_has_one_axis_and_a_wander_several() -> None:
    around = np.stack([np.cos(np.linspace(0, 0.1, 10)), np.sin(np.linspace(0, 0.1, 10)), np.zeros(10)], axis=1)
    assert trajectory_features(around)[4] == pytest.approx(1.0, abs=0.05)
    assert trajectory_features(np.random.default_rng(0).normal(size=(10, 8)))[4] > 3.0


def test_scores_are_of_a_classifier_that_has_seen_others() -> None:
    random = np.random.default_rng(0)
    person, alive = np.repeat(np.arange(5), 8), np.tile([True, False], 20)
    features = random.normal(size=(40, 3)) + alive[:, None]
    found = cross_validated(features, alive, person)
    for train, test in GroupKFold(5).split(features, alive, person):
        assert not set(person[train]) & set(person[test])
        scaler = StandardScaler().fit(features[train])
        classifier = LogisticRegression(C=0.3, class_weight="balanced", max_iter=1000)
        classifier.fit(scaler.transform(features[train]), alive[train])
        assert found[test] == pytest.approx(classifier.decision_function(scaler.transform(features[test])))


@pytest.mark.parametrize("people", [2, 3, 11])
def test_what_tells_is_found(people: int) -> None:
    random = np.random.default_rng(people)
    person, alive = np.repeat(np.arange(people), 10), np.tile([True, False], 5 * people)
    features = np.stack([alive + 0.2 * random.normal(size=len(alive)), random.normal(size=len(alive))], axis=1)
    assert _area(cross_validated(features, alive, person), alive) > 0.95


def test_who_remembers_people_is_no_better_than_chance() -> None:
    features, alive, person = _people_by_heart()
    assert _area(cross_validated(features, alive, person), alive) < 0.6


def test_with_a_leak_who_remembers_people_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    features, alive, person = _people_by_heart()
    monkeypatch.setattr(trajectory, "GroupKFold", Leaky)
    assert _area(cross_validated(features, alive, person), alive) > 0.95


def _people_by_heart() -> tuple[Array, NDArray[np.bool_], NDArray[np.int64]]:
    """Features that say who it is and nothing else, and labels that were dealt to people by chance."""
    person = np.repeat(np.arange(PEOPLE), OF_EACH)
    labels = np.random.default_rng(1).permutation(np.arange(PEOPLE) % 2 == 0)
    return np.eye(PEOPLE)[person], labels[person], person


def _area(scores: Array, alive: NDArray[np.bool_]) -> float:
    return auc(roc_curve(scores, alive))
