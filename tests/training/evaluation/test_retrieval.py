"""Retrieval metrics against a search written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge_training.evaluation.retrieval import METRICS, retrieval_per_person


def naive(embeddings: NDArray[np.float64], person: NDArray[np.int64]) -> dict[str, dict[int, float]]:
    """Metric by person: each template is searched among all others, and its person's results are averaged."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    results: dict[str, dict[int, list[float]]] = {name: {} for name in METRICS}
    for query in range(len(unit)):
        others = [i for i in range(len(unit)) if i != query]
        others.sort(key=lambda i: -float(unit[query] @ unit[i]))
        hits = [int(person[i] == person[query]) for i in others]
        relevant = sum(hits)
        if not relevant:
            continue
        precision = [sum(hits[: k + 1]) / (k + 1) for k in range(relevant)]
        values = {
            "recall@1": float(hits[0]),
            "r_precision": sum(hits[:relevant]) / relevant,
            "map@r": sum(p * h for p, h in zip(precision, hits[:relevant], strict=True)) / relevant,
        }
        for name, value in values.items():
            results[name].setdefault(int(person[query]), []).append(value)
    return {name: {p: float(np.mean(v)) for p, v in by.items()} for name, by in results.items()}


@given(owners=st.lists(st.integers(0, 5), min_size=2, max_size=25), seed=st.integers(0, 999))
def test_metrics_are_those_of_a_search_written_out(owners: list[int], seed: int) -> None:
    person = np.array(owners)
    embeddings = np.random.default_rng(seed).normal(size=(len(owners), 4)) + 0.7 * np.eye(6)[person][:, :4]
    found, present = retrieval_per_person(embeddings, person)
    expected = naive(embeddings, person)
    assert present.tolist() == sorted(p for p in set(owners) if owners.count(p) >= 2)
    assert set(found) == {"recall@1", "r_precision", "map@r"}
    for name, values in found.items():
        assert values.tolist() == pytest.approx([expected[name][p] for p in present.tolist()], abs=1e-6), name


def test_the_length_of_an_embedding_does_not_matter() -> None:
    person = np.repeat(np.arange(4), 3)
    embeddings = np.random.default_rng(0).normal(size=(12, 4))
    stretched = embeddings * np.linspace(0.1, 50.0, 12)[:, None]
    first, second = retrieval_per_person(embeddings, person)[0], retrieval_per_person(stretched, person)[0]
    assert 0.0 < first["map@r"].mean() < 1.0
    for name in METRICS:
        np.testing.assert_allclose(first[name], second[name])


def test_a_template_does_not_find_itself_where_it_has_a_double() -> None:
    # Template 0 and 2 are equal and of two people: the nearest of each is the other, never itself.
    embeddings = np.array([[1.0, 0.0], [0.6, 0.8], [1.0, 0.0], [0.0, 1.0]])
    found, _ = retrieval_per_person(embeddings, np.array([0, 0, 1, 1]))
    assert found["recall@1"].tolist() == [0.0, 0.0]


def test_people_with_one_template_are_searched_among_but_not_for() -> None:
    embeddings = np.array([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1]])
    found, present = retrieval_per_person(embeddings, np.array([3, 3, 7]))
    assert present.tolist() == [3]
    # The first finds the stranger, the second is as far from its own as can be.
    assert found["recall@1"].tolist() == [0.0]


def test_nobody_with_two_templates_gives_nothing() -> None:
    found, present = retrieval_per_person(np.eye(3), np.array([0, 1, 2]))
    assert len(present) == 0
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(METRICS, 0)
