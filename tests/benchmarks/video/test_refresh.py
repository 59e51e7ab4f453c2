"""What is told of policies is what was counted, and savings are of one and the same round."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge.jsonio import dumps
from crystaledge.video.options import LookPolicy
from crystaledge_benchmarks.video.counted import Spent
from crystaledge_benchmarks.video.look_policies import Policy, PolicyResult, Round, Watch
from crystaledge_benchmarks.video.probe import NOBODY, Probe, TrackOutcome
from crystaledge_benchmarks.video.refresh import looks_ratio, report


def test_the_report_counts_looks_and_answers() -> None:
    every = _result("always", looks=[(10, 90), (20, 40)], answers=["ann", "ann"], out=["bob", NOBODY], ms=(2.0, 8.0))
    seldom = _result("seldom", looks=[(10, 10), (20, 0)], answers=["ann", "bob"], out=[NOBODY, NOBODY], ms=(0.5, 4.0))
    told = report([every, seldom])
    cost, answers, clips = (table.rows for table in told.tables)
    assert cost[0][:6] == ("always", "160", "40.00", "80.0", "30", "130")  # two clips of two seconds, one track each
    assert cost[1][:6] == ("seldom", "40", "10.00", "20.0", "30", "10")
    assert cost[1][6].startswith("4.0 [")
    assert cost[1][7:] == ("0.500 (0.500-0.500)", "4.00 (4.00-4.00)", "4.0 (4.0-4.0)", "2.00 (2.00-2.00)")
    rows = {(row[0], row[1]): row[2:] for row in answers}
    # clips, looks a second, right, wrong, nobody, undecided, wrong at any time, others named
    assert rows["always", "closed"] == ("2", "40.00", "1", "1", "0", "0", "1", "0")
    assert rows["always", "left out"] == ("2", "40.00", "0", "1", "1", "0", "1", "0")
    assert rows["seldom", "closed"][2:4] == ("2", "0")
    assert rows["seldom", "left out"][2:5] == ("0", "0", "2")
    assert clips[1] == ("bob", "2.0", "30.0 ann", "10.0 right")
    (finding,) = told.findings
    assert "2 of 2 right, 0 wrong, 0 of 2 left out taken for somebody" in finding
    assert dumps(told.record)


def test_the_ratio_of_looks_by_naive_resampling() -> None:
    ours, theirs = np.array([1.0, 4.0, 2.0, 3.0]), np.array([30.0, 40.0, 50.0, 20.0])
    found = looks_ratio(*([_watch("ann", "ann", (0, int(n))) for n in side] for side in (ours, theirs)))
    assert found.value == pytest.approx(140.0 / 10.0)
    drawn = np.random.default_rng(1).integers(0, 4, (4000, 4))
    expected = np.quantile(theirs[drawn].sum(axis=1) / ours[drawn].sum(axis=1), (0.025, 0.975))
    assert (found.low, found.high) == pytest.approx(tuple(expected), rel=0.1)


def test_without_looks_there_is_no_ratio() -> None:
    found = looks_ratio([_watch("ann", NOBODY, (0, 0))], [_watch("ann", NOBODY, (0, 5))])
    assert np.isnan([found.value, found.low, found.high]).all()


def _result(
    name: str, *, looks: list[tuple[int, int]], answers: list[str], out: list[str], ms: tuple[float, float]
) -> PolicyResult:
    def watched(told: list[str]) -> tuple[Watch, ...]:
        return tuple(_watch(*row) for row in zip(("ann", "bob"), told, looks, strict=True))

    return PolicyResult(
        policy=Policy(name=name, looks=LookPolicy()),
        closed=watched(answers),
        left_out=tuple(
            _watch(person, told, count) for person, told, count in zip(("ann", "cid"), out, looks, strict=True)
        ),
        rounds=(Round(identity_cpu_ms=ms[0], cpu_ms=ms[1]),) * 2,
    )


def _watch(person: str, answer: str, looks: tuple[int, int]) -> Watch:
    ever = () if answer == NOBODY else (answer,)
    track = TrackOutcome(track=1, frames=9, answer=answer, observations=2, ever=ever)
    spent = Spent(open_looks=looks[0], committed_looks=looks[1], tracks=1, identity_cpu_ms=1.0, cpu_ms=2.0)
    return Watch(probe=Probe(person=person, tracks=(track,)), frames=50, film_s=2.0, spent=spent)
