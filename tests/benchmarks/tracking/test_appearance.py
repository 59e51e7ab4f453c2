"""The host of the benchmark tells people apart, and says so where it cannot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystaledge.tracking.rows import Stage
from crystaledge.tracking.update import Events, Update
from crystaledge_benchmarks.tracking.appearance import Appearances
from crystaledge_benchmarks.tracking.scenes import EMBEDDING_DIMS, EMBEDDING_NOISE

GOOD, BAD = np.array([0.9, 0.9], np.float32), np.array([0.9, 0.5], np.float32)


def faces(random: np.random.Generator, people: NDArray[np.float64]) -> NDArray[np.float64]:
    """One noisy embedding of each."""
    seen: NDArray[np.float64] = people + random.normal(size=people.shape) * EMBEDDING_NOISE / EMBEDDING_DIMS**0.5
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    return seen


def told(numbers: list[int], *, ended: tuple[int, ...] = ()) -> Update:
    return Events(ended=list(ended)).told(np.array(numbers), tuple(Stage.CONFIRMED for _ in numbers))


def test_the_same_person_is_more_likely_and_a_stranger_less() -> None:
    random, right, wrong = np.random.default_rng(0), [], []
    for _ in range(200):
        people = random.normal(size=(2, EMBEDDING_DIMS))
        people /= np.linalg.norm(people, axis=1, keepdims=True)
        host = Appearances()
        for _ in range(5):
            host.show(faces(random, people), GOOD)
            host.learn(told([7, 8]))
        host.show(faces(random, people), GOOD)
        ratio = host.similarity([0, 1], [7, 8])
        right += [ratio[0, 0], ratio[1, 1]]
        wrong += [ratio[0, 1], ratio[1, 0]]
    assert np.mean(np.array(right) > 3) > 0.95 and np.mean(np.array(wrong) < -3) > 0.95


def test_what_cannot_be_told_is_nan() -> None:
    host, random = Appearances(), np.random.default_rng(0)
    people = random.normal(size=(2, EMBEDDING_DIMS))
    host.show(faces(random, people), BAD)
    host.learn(told([7, 8]))
    host.show(faces(random, people), BAD)
    assert np.isnan(host.similarity([0, 1], [7, 8])).tolist() == [[False, True], [True, True]]


def test_who_has_ended_is_forgotten() -> None:
    host, random = Appearances(), np.random.default_rng(0)
    host.show(faces(random, np.eye(2, EMBEDDING_DIMS)), GOOD)
    host.learn(told([7, 8]))
    host.learn(told([-1, -1], ended=(7,)))
    assert np.isnan(host.similarity([0], [7, 8])).tolist() == [[True, False]]
