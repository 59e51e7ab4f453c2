"""Windows of looks: counted, judged when full, standing until the next one is, and gone with the track."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.liveness.photo_check import PhotoCheck, judged
from crystaledge.liveness.result import Liveness, LivenessResult, undecided
from tests.runtime.liveness.counted import UNCOMPARABLE, saying, stand_in
from tests.runtime.liveness.drawn import SHEETS, face, held, noisy
from tests.runtime.liveness.reachable import arrays_within

CONFIG = PhotoCheckConfig(looks=5, least_compared=3, threshold_px=2.0, quantile=0.8)
STILL, ALIVE = 1, 9
"""Squares of 1 and 3 px, below and above the threshold."""


def naive_quantile(values: list[float], share: float) -> float:
    """Between the two values that stand around that share of the way."""
    ordered, place = sorted(values), share * (len(values) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


def naive_result(looks: list[int], config: PhotoCheckConfig) -> LivenessResult:
    """What all looks at a track since it began come to."""
    windows = [looks[i : i + config.looks] for i in range(0, len(looks), config.looks)]
    full = [window for window in windows if len(window) == config.looks]
    if not full:
        return undecided(config.threshold_px)
    compared = [float(value) for value in full[-1][1:] if value != UNCOMPARABLE]
    known = len(compared) >= config.least_compared
    motion = math.sqrt(naive_quantile(compared, config.quantile)) if known else None
    verdict = Liveness.UNKNOWN if motion is None else Liveness.PHOTOGRAPH
    if motion is not None and motion >= config.threshold_px:
        verdict = Liveness.LIVE
    return LivenessResult(verdict=verdict, motion_px=motion, threshold_px=config.threshold_px, windows=len(full))


def assert_same(found: LivenessResult, expected: LivenessResult) -> None:
    """Equal but for the last digits of the motion."""
    assert (found.verdict, found.windows, found.threshold_px) == (
        expected.verdict,
        expected.windows,
        expected.threshold_px,
    )
    assert found.motion_px == (None if expected.motion_px is None else pytest.approx(expected.motion_px))


class Lives(RuleBasedStateMachine):
    """Tracks that are looked at and over, against a list of all looks at each."""

    tracks = st.integers(0, 3)

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        stand_in(self.patch)
        self.check = PhotoCheck(CONFIG)
        self.looks: dict[int, list[int]] = {}

    @rule(track=tracks, values=st.lists(st.sampled_from([0, STILL, 4, ALIVE, UNCOMPARABLE]), min_size=1, max_size=5))
    def look(self, track: int, values: list[int]) -> None:
        for value in values:
            self.looks.setdefault(track, []).append(value)
            assert_same(self.check.look(track, saying(value)), naive_result(self.looks[track], CONFIG))

    @rule(track=tracks)
    def end(self, track: int) -> None:
        self.looks.pop(track, None)
        self.check.end(track)

    @invariant()
    def each_result_is_that_of_its_looks(self) -> None:
        for track in range(4):
            looks = self.looks.get(track, [])
            assert_same(self.check.result(track), naive_result(looks, CONFIG))
            assert self.check.is_amid(track) is (len(looks) % CONFIG.looks != 0)

    @invariant()
    def of_a_window_one_picture_is_kept_until_it_is_full(self) -> None:
        firsts = [looks[-(len(looks) % CONFIG.looks)] for looks in self.looks.values() if len(looks) % CONFIG.looks]
        assert sorted(int(picture.flat[0]) for picture in arrays_within(self.check)) == sorted(firsts)

    def teardown(self) -> None:
        self.patch.undo()


TestLives = Lives.TestCase


@pytest.mark.parametrize("looks", [2, 3, 10])
def test_a_window_has_exactly_as_many_looks_as_asked_for(looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    check = PhotoCheck(PhotoCheckConfig(looks=looks, least_compared=1, threshold_px=2.0))
    results = [check.look(7, saying(STILL)) for _ in range(2 * looks)]
    assert [result.windows for result in results] == [0] * (looks - 1) + [1] * looks + [2]
    assert {result.verdict for result in results[: looks - 1]} == {Liveness.UNKNOWN}
    assert {result.verdict for result in results[looks - 1 :]} == {Liveness.PHOTOGRAPH}


def test_a_verdict_stands_until_the_next_window_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    check = PhotoCheck(CONFIG)
    verdicts = [check.look(0, saying(value)).verdict for value in [STILL] * 5 + [ALIVE] * 5 + [UNCOMPARABLE] * 5]
    before = [Liveness.UNKNOWN] * 4 + [Liveness.PHOTOGRAPH] * 5 + [Liveness.LIVE] * 5
    assert verdicts == [*before, Liveness.UNKNOWN]


def test_each_window_has_a_picture_of_its_own_to_compare_with(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    check = PhotoCheck(CONFIG)
    kept = []
    for value in range(10):
        check.look(0, saying(value))
        kept.append([int(picture.flat[0]) for picture in arrays_within(check)])
    # The last look of a window gives the verdict; from then on there is no picture.
    assert kept == [[0]] * 4 + [[]] + [[5]] * 4 + [[]]


@pytest.mark.parametrize(("motion_px", "verdict"), [(1.999, "photograph"), (2.0, "live"), (2.001, "live")])
def test_from_the_threshold_on_it_is_alive(motion_px: float, verdict: str) -> None:
    result = judged([motion_px**2] * 3, CONFIG)
    assert result.verdict is Liveness(verdict)
    assert result.motion_px == pytest.approx(motion_px)


@pytest.mark.parametrize(
    ("looks", "least", "compared"),
    [(looks, least, n) for looks, least in [(2, 1), (4, 3), (5, 1), (10, 3), (10, 9)] for n in range(looks)],
)
def test_with_too_few_nothing_is_known_and_the_window_counts(looks: int, least: int, compared: int) -> None:
    config = PhotoCheckConfig(looks=looks, least_compared=least, threshold_px=2.0)
    result = judged([9.0] * compared, config, before=judged([1.0] * least, config))
    assert result.windows == 2
    assert result.verdict is (Liveness.LIVE if compared >= least else Liveness.UNKNOWN)
    assert (result.motion_px is None) is (result.verdict is Liveness.UNKNOWN)


@given(st.lists(st.floats(0, 400), min_size=5, max_size=9), st.floats(0, 1), st.floats(0.1, 10))
def test_it_is_the_quantile_that_is_judged(motions: list[float], quantile: float, threshold_px: float) -> None:
    config = PhotoCheckConfig(looks=10, quantile=quantile, threshold_px=threshold_px)
    result = judged(motions, config)
    assert result.motion_px is not None
    assert result.motion_px == pytest.approx(math.sqrt(naive_quantile(motions, quantile)), abs=1e-6)
    assert (result.verdict is Liveness.LIVE) is (result.motion_px >= threshold_px)


@pytest.mark.parametrize(("wrong", "verdict"), [(2, "photograph"), (3, "live")])
def test_looks_that_were_laid_over_wrongly_do_not_bring_a_photograph_to_life(wrong: int, verdict: str) -> None:
    assert judged([0.1] * (9 - wrong) + [400.0] * wrong, PhotoCheckConfig(threshold_px=1.0)).verdict.value == verdict


def test_neither_a_full_window_nor_a_track_that_is_over_leaves_a_picture() -> None:
    check = PhotoCheck(CONFIG)
    for _ in range(4):
        check.look(0, face())
        check.look(1, face(1))
    held_of_both = len(arrays_within(check))
    assert held_of_both > 10
    assert check.look(0, face()).windows == 1
    assert len(arrays_within(check)) == held_of_both / 2
    check.end(1)
    check.end(1)
    assert arrays_within(check) == []
    check.look(0, face())
    assert len(arrays_within(check)) == held_of_both / 2
    check.end(0)
    assert arrays_within(check) == []
    assert check.result(0) == check.result(1) == undecided(2.0)
    assert check.look(0, face()).windows == 0


DRAWN = PhotoCheckConfig(looks=6, threshold_px=0.8)


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_photograph_is_told_by_its_looks(sheet: str) -> None:
    check = PhotoCheck(DRAWN)
    for number in range(6):
        result = check.look(0, noisy(SHEETS[sheet](face()) if number % 2 else face(), grey=3, seed=number))
    assert result.verdict is Liveness.PHOTOGRAPH
    assert result.motion_px is not None and result.motion_px < 0.5


def test_a_face_that_speaks_while_it_moves_is_alive() -> None:
    check = PhotoCheck(DRAWN)
    for number in range(6):
        speaking = face(mouth_open=(0.0, 0.4, 0.8)[number % 3])
        result = check.look(0, noisy(held(speaking, degrees=number), grey=3, seed=number))
    assert result.verdict is Liveness.LIVE


def test_faces_do_not_disturb_one_another() -> None:
    check = PhotoCheck(DRAWN)
    for number in range(6):
        check.look(0, held(face(), degrees=number))
        check.look(1, face(1, mouth_open=number / 5))
    assert [check.result(track).verdict for track in (0, 1)] == [Liveness.PHOTOGRAPH, Liveness.LIVE]
