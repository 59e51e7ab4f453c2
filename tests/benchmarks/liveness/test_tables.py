"""The comparison's tables: error rates the right way round, people by name of their clip, and what is not covered."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge.errors import DataError
from crystaledge.jsonio import dumps
from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.liveness.result import NOT_COVERED
from crystaledge_benchmarks.liveness.measure import METHODS, motion_scores, promised_threshold, threshold_for
from crystaledge_benchmarks.liveness.sheet_motion import AttackKind
from crystaledge_benchmarks.liveness.tables import LivenessResults, compare, report
from crystaledge_benchmarks.liveness.windows import Window
from tests.benchmarks.liveness.builders import walk, window

CONFIG = PhotoCheckConfig(threshold_px=1.0)
ALIVE = {"anna": (3.0, 2.0, 0.5), "bert": (4.0, 0.2, 0.3), "carl": (1.0, 1.1, None)}
"""Called alive: two, one and two of three."""


def shown(level: float) -> list[Window]:
    """Twenty photographs in each way, one of which in a hand passes."""
    return [
        window(level if kind is AttackKind.HAND and number == 3 else 0.01 * number, kind, person=f"p{number}")
        for kind in AttackKind
        for number in range(20)
    ]


def clips() -> list[Window]:
    """Three people alive, and stills of them."""
    alive = [
        window(motion, person=name, states=walk(number + 10 * len(name)))
        for name, motions in ALIVE.items()
        for number, motion in enumerate(motions)
    ]
    stills = [
        window(0.1 + 0.02 * number, kind, person=name, states=0.01 * walk(number) + 3.0)
        for name in ALIVE
        for number, kind in enumerate(AttackKind)
    ]
    return alive + stills


@pytest.fixture
def results() -> LivenessResults:
    """Of all of them."""
    return compare(shown(2.0), shown(3.0), clips(), CONFIG, seed=0)


def test_the_threshold_is_of_the_training_photographs_and_the_shipped_one_judges(results: LivenessResults) -> None:
    assert results.calibrated_px == promised_threshold(motion_scores(shown(2.0)), shown(2.0))
    assert results.shipped_px == 1.0
    assert results.clips is not None
    judged = (results.training_photographs, results.test_photographs, results.clips)
    assert {result.threshold for result in judged} == {1.0}
    for result in judged[:2]:
        assert {rate.kind: rate.called_alive.value for rate in result.attacks} == {
            kind.value: 0.05 if kind is AttackKind.HAND else 0.0 for kind in AttackKind
        }
        assert result.alive is None


def test_people_are_counted_one_by_one(results: LivenessResults) -> None:
    assert results.alive_by_person == (("anna", 3, 2), ("bert", 3, 1), ("carl", 3, 2))


def test_every_window_is_kept_so_that_other_thresholds_can_be_tried(results: LivenessResults) -> None:
    parts = {"training": shown(2.0), "test": shown(3.0), "clips": clips()}
    expected = [
        (part, one.person, None if one.kind is None else one.kind.value, one.motion_px, one.side_px)
        for part, windows in parts.items()
        for one in windows
    ]
    assert [(m.part, m.person, m.kind, m.motion_px, m.side_px) for m in results.motions] == expected


def test_every_method_judges_the_clips(results: LivenessResults) -> None:
    assert [other.method for other in results.others] == list(METHODS)
    for other, (scores_of, threshold) in zip(results.others, METHODS.values(), strict=True):
        expected = threshold_for(scores_of(clips()), clips()) if threshold is None else threshold
        assert other.threshold == pytest.approx(expected)
        assert other.alive is not None and other.alive.windows == 9
        assert [rate.windows for rate in other.attacks] == [3] * len(AttackKind)


def test_bpcer_is_one_less_called_alive_and_so_is_its_interval(results: LivenessResults) -> None:
    assert results.clips is not None and results.clips.alive is not None
    share = results.clips.alive.called_alive
    assert share.value == pytest.approx(5 / 9)
    assert share.low < share.value < share.high
    assert abs((share.high - share.value) - (share.value - share.low)) > 0.01  # so that ends that are mixed up are seen
    (row,) = [row for row in report(results).tables[2].rows if row[0] == "BPCER"]
    ends = f"{100 * (1 - share.high):.1f} to {100 * (1 - share.low):.1f}"
    assert row == ("BPCER", "3", "9", "44.4 %", ends, "-")


def test_apcer_is_what_is_called_alive(results: LivenessResults) -> None:
    rows = {row[0]: row for row in report(results).tables[1].rows}
    assert list(rows) == [f"APCER {kind.value}" for kind in AttackKind]
    assert rows[f"APCER {AttackKind.HAND.value}"][1:4] == ("20", "20", "5.0 %")
    # Nobody of twenty: Clopper and Pearson.
    highest = 100 * (1 - 0.025 ** (1 / 20))
    assert rows[f"APCER {AttackKind.STAND.value}"][3:] == ("0.0 %", f"0.0 to {highest:.1f}", "-")


def test_the_report_says_what_it_does_not_cover(results: LivenessResults) -> None:
    text = report(results).text()
    assert all(attack in text.splitlines()[-1] for attack in NOT_COVERED)
    assert text.splitlines()[-1].startswith("Not covered: ")
    assert "2.00 px on; the threshold that ships is 1.00 px." in text
    for title in (
        "Photographs of training people",
        "Photographs of test people",
        "People of the clips",
        "Living people",
    ):
        assert f"\n{title}" in text
    assert all(f"The same by: {method} (threshold" in text for method in METHODS)


def test_all_of_it_can_be_written_down(results: LivenessResults) -> None:
    assert '"alive_by_person"' in dumps(report(results).record)


def test_without_clips_nobody_alive_is_reported() -> None:
    results = compare(shown(2.0), shown(2.0), [], CONFIG, seed=0)
    assert (results.clips, results.others, results.alive_by_person) == (None, (), ())
    made = report(results)
    assert len(made.tables) == 2
    assert "BPCER" not in made.text()
    assert all(attack in made.text() for attack in NOT_COVERED)


def test_equal_seeds_give_equal_results(results: LivenessResults) -> None:
    again = compare(shown(2.0), shown(3.0), clips(), CONFIG, seed=0)
    assert dumps(again) == dumps(results)


def test_without_training_photographs_there_is_no_threshold() -> None:
    with pytest.raises(DataError, match="No window shows an attack"):
        compare([], shown(2.0), [], CONFIG, seed=0)


def test_clips_without_stills_are_judged_by_the_check() -> None:
    alive = [one for one in clips() if one.kind is None]
    results = compare(shown(2.0), shown(2.0), alive, CONFIG, seed=0)
    assert results.clips is not None and results.clips.alive is not None
    assert np.isfinite(results.clips.alive.called_alive.value)
