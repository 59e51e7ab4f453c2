"""Learning rates: a straight rise, then half a cosine down to one percent."""

from __future__ import annotations

import math

import pytest

from crystaledge_training.schedule import learning_rate_factor


def test_rises_straight_and_falls_as_a_half_cosine() -> None:
    found = [learning_rate_factor(epoch, 12, 2) for epoch in range(13)]
    assert found[:2] == [0.5, 1.0]
    assert found[2:] == pytest.approx([0.01 + 0.495 * (1 + math.cos(math.pi * i / 10)) for i in range(11)])
    assert found[12] == pytest.approx(0.01)
    assert sorted(found[1:], reverse=True) == found[1:]


def test_stays_at_the_end_beyond_it() -> None:
    assert learning_rate_factor(40, 12, 2) == pytest.approx(0.01)


def test_does_without_warm_up_and_with_nothing_else() -> None:
    assert learning_rate_factor(0, 5, 0) == 1.0
    assert [learning_rate_factor(epoch, 3, 3) for epoch in range(3)] == pytest.approx([1 / 3, 2 / 3, 1.0])
