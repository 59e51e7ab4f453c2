"""Thresholds, shares and error rates against counts; what could not be compared is never called alive."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta

from crystaledge.errors import DataError
from crystaledge.metrics.bootstrap import resample_people
from crystaledge_benchmarks.liveness.measure import (
    ASKED,
    METHODS,
    RESAMPLES,
    judge,
    motion_scores,
    original_scores,
    promised_threshold,
    share_of,
    threshold_for,
)
from crystaledge_benchmarks.liveness.sheet_motion import AttackKind
from crystaledge_benchmarks.liveness.trajectory import original_score
from crystaledge_benchmarks.liveness.windows import Window
from tests.benchmarks.liveness.builders import walk, window

Array = NDArray[np.float64]


def passing(windows: list[Window], threshold: float) -> dict[AttackKind, float]:
    """Share of each kind's windows at or above a threshold."""
    of_kind: dict[AttackKind, list[float]] = {}
    for one in windows:
        if one.kind is not None:
            of_kind.setdefault(one.kind, []).append(one.motion_px or 0.0)
    return {kind: sum(value >= threshold for value in values) / len(values) for kind, values in of_kind.items()}


@pytest.mark.parametrize(
    "count",
    [20, 40, 100, *(pytest.param(count) for count in (7, 21, 30, 97, 99))],
)
def test_no_kind_passes_more_often_than_asked(count: int) -> None:
    windows = _attacks(count)
    threshold = threshold_for(motion_scores(windows), windows)
    assert max(passing(windows, threshold).values()) <= ASKED


@pytest.mark.parametrize("count", [20, 30, 97, 100])
def test_it_is_the_lowest_such_threshold(count: int) -> None:
    windows = _attacks(count)
    threshold = threshold_for(motion_scores(windows), windows)
    below = {kind: max(score for score in _scores(windows, kind) if score < threshold) for kind in AttackKind}
    assert any(passing(windows, score)[kind] > ASKED for kind, score in below.items())


def test_windows_that_are_all_alike_do_not_all_pass() -> None:
    windows = [window(0.3, AttackKind.HAND) for _ in range(40)]
    assert max(passing(windows, threshold_for(motion_scores(windows), windows)).values()) <= ASKED


def test_the_worst_kind_decides_and_the_living_have_no_part() -> None:
    calm, wild = _of_kind(AttackKind.STAND, 40, 0.0), _of_kind(AttackKind.BENT, 40, 5.0)
    alive = [window(90.0, person=f"a{n}") for n in range(40)]
    together = [*calm, *alive, *wild]
    assert threshold_for(motion_scores(together), together) == threshold_for(motion_scores(wild), wild)
    assert threshold_for(motion_scores(calm), calm) < threshold_for(motion_scores(wild), wild)


@pytest.mark.parametrize("asked", [0.1, 0.5])
def test_who_lets_more_pass_has_a_lower_threshold(asked: float) -> None:
    windows = _attacks(100)
    scores = motion_scores(windows)
    assert threshold_for(scores, windows, asked) < threshold_for(scores, windows)
    assert max(passing(windows, threshold_for(scores, windows, asked)).values()) == pytest.approx(asked)


@pytest.mark.parametrize(("hit", "low", "high"), [(False, 0.0, 1.0), (True, 0.0, 1.0)])
def test_nothing_or_all_has_an_exact_interval_of_people(hit: bool, low: float, high: float) -> None:
    people = [f"p{n}" for n in range(8) for _ in range(5)]
    found = share_of(np.full(40, hit), people, seed=0)
    # Clopper and Pearson, 1934, of 8 people, not of 40 windows.
    bounds = (float(beta.ppf(0.025, 8, 1)), 1.0) if hit else (0.0, float(beta.ppf(0.975, 1, 8)))
    assert found.value == float(hit)
    assert (found.low, found.high) == pytest.approx(bounds)
    assert low <= found.low <= found.value <= found.high <= high


def test_a_share_is_of_windows_and_its_interval_of_people_who_are_drawn_again() -> None:
    random = np.random.default_rng(0)
    sizes = [3, 1, 8, 2, 5]
    people = [name for name, size in zip("edcba", sizes, strict=True) for _ in range(size)]
    hits = random.random(len(people)) < 0.4
    found = share_of(hits, people, seed=4)
    names = sorted(set(people))
    shares = []
    for counts in resample_people(5, RESAMPLES, seed=4):
        drawn = [(hit, counts[names.index(name)]) for hit, name in zip(hits, people, strict=True)]
        shares.append(sum(hit * count for hit, count in drawn) / sum(count for _, count in drawn))
    assert found.value == pytest.approx(hits.sum() / len(people))
    assert (found.low, found.high) == pytest.approx((np.quantile(shares, 0.025), np.quantile(shares, 0.975)))
    assert share_of(hits, people, seed=4) == found


def test_windows_of_one_person_are_worth_less_than_of_many() -> None:
    hits = np.repeat([True, False] * 5, 10)
    few = share_of(hits, [f"p{n // 10}" for n in range(100)], seed=0)
    many = share_of(hits, [f"p{n}" for n in range(100)], seed=0)
    assert few.high - few.low > 2.0 * (many.high - many.low)


def test_attacks_that_are_called_alive_are_errors_and_so_are_living_who_are_not() -> None:
    windows = [
        *(window(value, AttackKind.HAND, person=f"h{value}") for value in (0.5, 1.0, 2.0, 3.0)),
        *(window(value, AttackKind.BENT, person="b") for value in (0.1, 0.2)),
        *(window(value, person=f"a{value}") for value in (1.9, 2.0, 2.5, 4.0, None)),
    ]
    result = judge("check", motion_scores(windows), windows, 2.0, seed=0)
    rates = {rate.kind: rate for rate in result.attacks}
    assert list(rates) == [AttackKind.HAND.value, AttackKind.BENT.value]
    hand, bent = rates.values()
    assert (hand.people, hand.windows, hand.called_alive.value) == (4, 4, 0.5)
    assert (bent.people, bent.windows, bent.called_alive.value) == (1, 2, 0.0)
    assert result.alive is not None
    assert (result.alive.people, result.alive.windows, result.alive.called_alive.value) == (5, 5, 0.6)
    assert (result.method, result.threshold, result.alive.area) == ("check", 2.0, None)


def test_the_area_is_how_often_the_living_are_livelier() -> None:
    random = np.random.default_rng(1)
    alive, attacks = random.integers(2, 9, 30) / 2.0, random.integers(0, 7, 20) / 2.0
    windows = [window(v, person="a") for v in alive] + [window(v, AttackKind.TILTED, person="t") for v in attacks]
    (rate,) = judge("check", motion_scores(windows), windows, 2.0, seed=0).attacks
    pairs = [(a > b) + 0.5 * (a == b) for a in alive for b in attacks]
    assert rate.area == pytest.approx(sum(pairs) / len(pairs))


def test_where_nobody_alive_is_shown_there_is_no_area() -> None:
    windows = _attacks(5)
    result = judge("check", motion_scores(windows), windows, 1.0, seed=0)
    assert result.alive is None
    assert {rate.area for rate in result.attacks} == {None}


def test_what_could_not_be_compared_is_not_called_alive() -> None:
    windows = [window(None), window(3.0)]
    assert motion_scores(windows).tolist() == [0.0, 3.0]
    result = judge("check", motion_scores(windows), windows, 0.01, seed=0)
    assert result.alive is not None and result.alive.called_alive.value == 0.5


def test_the_originals_scores_are_of_the_states() -> None:
    windows = [window(1.0, states=walk(seed)) for seed in range(4)]
    assert original_scores(windows).tolist() == [original_score(walk(seed)) for seed in range(4)]


@pytest.mark.parametrize("method", [name for name, (_, threshold) in METHODS.items() if threshold is None])
def test_what_is_cross_validated_tells_what_differs_and_not_who_it_is(method: str) -> None:
    scores_of, _ = METHODS[method]
    differing = [
        window(
            3.0 if alive else 0.2, None if alive else AttackKind.HAND, person=f"p{n % 6}", states=_late_walk(n, alive)
        )
        for n in range(60)
        for alive in (n // 6 % 2 == 0,)
    ]
    scores = scores_of(differing)
    alive = np.array([one.kind is None for one in differing])
    assert scores[alive].min() > scores[~alive].max()


def test_the_motion_is_told_where_states_say_nothing() -> None:
    joint, _ = METHODS["trajectory and unexplained motion, cross-validated"]
    windows = [
        window(2.0 + n / 50 if n % 2 else 0.1 + n / 500, None if n % 2 else AttackKind.STAND, person=f"p{n // 4}")
        for n in range(40)
    ]
    scores = joint(windows)
    assert scores[1::2].min() > scores[::2].max()


def _attacks(count: int) -> list[Window]:
    return [one for number, kind in enumerate(AttackKind) for one in _of_kind(kind, count, 0.1 * number)]


def _scores(windows: list[Window], kind: AttackKind) -> list[float]:
    return [one.motion_px or 0.0 for one in windows if one.kind is kind]


def _of_kind(kind: AttackKind, count: int, least: float) -> list[Window]:
    values = least + np.random.default_rng(count).uniform(0.1, 2.0, count)
    return [window(float(value), kind, person=f"p{number}") for number, value in enumerate(values)]


def _late_walk(seed: int, alive: bool) -> Array:
    """A direction that hardly moves, or does."""
    return 5.0 + (1.0 if alive else 0.01) * np.random.default_rng(seed).normal(size=(10, 4))


@pytest.mark.parametrize(("count", "above"), [(58, 0), (59, 0), (92, 0), (93, 1), (124, 2)])
def test_what_is_promised_lets_so_many_of_the_worst_kind_lie_above(count: int, above: int) -> None:
    # Wilks' table for 95 % content and 95 % confidence: 59 for the highest, 93 and 124 for the next two.
    windows = [window(float(number), AttackKind.BENT) for number in range(count)]
    windows += [window(0.0, AttackKind.HAND) for _ in range(count)]
    threshold = promised_threshold(motion_scores(windows), windows)
    assert sum(score >= threshold for score in motion_scores(windows)) == above


def test_what_is_promised_holds_nineteen_times_in_twenty() -> None:
    random, broken, trials = np.random.default_rng(0), 0, 400
    for _ in range(trials):
        scores = random.uniform(size=106)
        windows = [window(float(score), AttackKind.TILTED) for score in scores]
        broken += (1.0 - promised_threshold(motion_scores(windows), windows)) > 0.05
    assert broken / trials <= 0.05 + 3 * (0.05 * 0.95 / trials) ** 0.5


def test_without_an_attack_nothing_can_be_promised() -> None:
    with pytest.raises(DataError, match="No window shows an attack"):
        promised_threshold(np.ones(1), [window(1.0, None)])
