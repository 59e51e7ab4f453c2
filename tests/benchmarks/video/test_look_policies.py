"""Policies watch the same rest of each clip, with the same galleries; what is counted is what was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from crystaledge.errors import DataError, EngineError
from crystaledge.identity.decision import Verdict
from crystaledge.sources.frame import Frame
from crystaledge.systems.mnemosyne_crystallizer import Crystallizer, EnrolledState, FaceLook
from crystaledge.systems.mnemosyne_records import IdentityEvent
from crystaledge.video.face_finder import FaceFinder
from crystaledge.video.options import LookPolicy, VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from crystaledge_benchmarks.video import counted, look_policies
from crystaledge_benchmarks.video.counted import CountedCrystallizer, CountedPipeline, Spent
from crystaledge_benchmarks.video.dense_look import DenseLook
from crystaledge_benchmarks.video.enrolment import Enrolment, first_third
from crystaledge_benchmarks.video.look_policies import POLICIES, after_first_third, film_seconds, measure
from crystaledge_benchmarks.video.probe import Probe
from crystaledge_benchmarks.video.setup import Setup
from tests.benchmarks.video.conftest import drawn_film

FACE = np.array([8.0, 8.0, 40.0, 40.0], np.float32)


def learn_some(
    pipeline: VideoPipeline, detect: DenseLook, people: dict[str, Sequence[Frame]]
) -> tuple[dict[str, EnrolledState], list[Enrolment]]:
    """All but the last one, whatever they show."""
    assert pipeline.crystallizer is not None
    dimensions = pipeline.crystallizer.decision.dimensions
    hidden = np.eye(dimensions, dtype=np.float32)
    return {person: EnrolledState(hidden[row], 0.0, 3) for row, person in enumerate(list(people)[:-1])}, []


def test_the_policies_differ_in_looks_alone() -> None:
    every, often, default, steady = POLICIES
    assert (every.looks.open_every_s, every.looks.committed_every_s) == (0.0, 0.0)
    assert often.looks.open_every_s == often.looks.committed_every_s == LookPolicy().open_every_s
    assert default.looks == steady.looks == LookPolicy()
    assert [policy.steady_every_s for policy in POLICIES] == [0.0, 0.0, 0.0, 0.2]


def test_the_rest_is_what_enrolment_did_not_see() -> None:
    frames = drawn_film(8)
    assert [frame.index for frame in after_first_third(frames)] == [2, 3, 4, 5, 6, 7]
    assert [*first_third(frames), *after_first_third(frames)] == frames
    assert after_first_third(frames[:1]) == frames[:1]


def test_a_film_lasts_as_long_as_its_frames_are_shown() -> None:
    frames = [replace(frame, time_s=3.0 + frame.index * 0.5) for frame in drawn_film(5)]
    assert film_seconds(frames) == pytest.approx(2.5)
    clockless = [replace(frame, time_s=None) for frame in frames]
    assert film_seconds(clockless) == pytest.approx(5 / VideoOptions().frames_per_s)
    assert film_seconds(frames[:1]) == pytest.approx(1 / VideoOptions().frames_per_s)


def test_who_is_enrolled_while_who_is_watched(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    people = {name: drawn_film(6) for name in ("ann", "bob", "cid")}
    shown: list[tuple[str, tuple[str, ...], list[int]]] = []

    def watched(pipeline: CountedPipeline, person: str, frames: Sequence[Frame]) -> Probe:
        names = tuple(one.name for one in pipeline.counted.gallery.people)
        shown.append((person, names, [frame.index for frame in frames]))
        return Probe(person=person, tracks=())

    monkeypatch.setattr(look_policies, "learn_all", learn_some)
    monkeypatch.setattr(look_policies, "probe", watched)
    results = measure(replace(setup, repeats=2), people)
    assert {tuple(frames) for _, _, frames in shown} == {(2, 3, 4, 5)}
    galleries = Counter((person, tuple(sorted(names))) for person, names, _ in shown)
    policies = len(POLICIES)
    assert galleries == {
        ("ann", ("ann", "bob")): 2 * policies,  # two rounds, closed
        ("bob", ("ann", "bob")): 2 * policies,
        ("ann", ("bob",)): policies,
        ("bob", ("ann",)): policies,
        ("cid", ("ann", "bob")): policies,  # who was not learnt is a stranger to everybody
    }
    for result in results:
        assert [one.probe.person for one in result.closed] == ["ann", "bob"]
        assert [one.probe.person for one in result.left_out] == ["ann", "bob", "cid"]
        assert len(result.rounds) == 2


def test_nobody_learnt_is_said(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_policies, "learn_all", learn_some)
    with pytest.raises(DataError, match="each show one face"):
        measure(setup, {"ann": drawn_film(3)})


def test_times_are_per_frame_and_ratios_round_by_round() -> None:
    slow, fast = (_result(ms) for ms in ([(4.0, 40.0), (9.0, 30.0)], [(2.0, 20.0), (1.0, 10.0)]))
    assert fast.identity_ratio(slow).low == 2.0
    assert fast.identity_ratio(slow).high == 9.0
    assert (fast.whole_ratio(slow).low, fast.whole_ratio(slow).high) == (2.0, 3.0)
    spent = Spent(open_looks=0, committed_looks=0, tracks=0, identity_cpu_ms=6.0, cpu_ms=12.0)
    one = look_policies._per_frame([_watch(1, spent), _watch(3, spent)])
    assert (one.identity_cpu_ms, one.cpu_ms) == (3.0, 6.0)


def test_looks_are_counted_by_whether_the_track_was_committed_before(setup: Setup) -> None:
    with closing(CountedPipeline(setup.detector, setup.identity, VideoOptions())) as pipeline:
        crystallizer = pipeline.counted
        (frame,) = drawn_film(1)
        for track in (1, 2):
            crystallizer.begin(track, sequence="camera", frame=0)
        both = [FaceLook(frame, track, FACE) for track in (1, 2)]
        crystallizer.observe(both)
        crystallizer.remember([replace(crystallizer.record(1), committed=Verdict.SAME, committed_match="ann")])
        crystallizer.remember([replace(crystallizer.record(2), committed=None)])
        crystallizer.observe(both)
        crystallizer.observe(both[1:])
        spent = pipeline.take_spent()
        assert (spent.open_looks, spent.committed_looks, spent.looks, spent.tracks) == (4, 1, 5, 2)
        assert spent.identity_cpu_ms > 0.0
        assert pipeline.take_spent() == Spent(
            open_looks=0, committed_looks=0, tracks=0, identity_cpu_ms=0.0, cpu_ms=0.0
        )


def test_counting_changes_no_answer(setup: Setup) -> None:
    seen: list[list[IdentityEvent]] = []
    for kind in (CountedCrystallizer, Crystallizer):
        crystallizer = kind(setup.identity, VideoOptions().of_identity())
        crystallizer.begin(1, sequence="camera", frame=0)
        seen.append([event for frame in drawn_film(3) for event in crystallizer.observe([FaceLook(frame, 1, FACE)])])
        crystallizer.close()
    assert seen[0] == seen[1]


def test_a_crystallizer_that_fails_to_open_leaves_no_finder_behind(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []

    def broken(*arguments: object) -> None:
        msg = "broken"
        raise EngineError(msg)

    monkeypatch.setattr(counted, "CountedCrystallizer", broken)
    monkeypatch.setattr(FaceFinder, "close", lambda finder: closed.append(finder))
    with pytest.raises(EngineError, match="broken"):
        CountedPipeline(setup.detector, setup.identity, VideoOptions())
    assert len(closed) == 1


def _watch(frames: int, spent: Spent) -> look_policies.Watch:
    return look_policies.Watch(probe=Probe(person="ann", tracks=()), frames=frames, film_s=1.0, spent=spent)


def _result(rounds: Sequence[tuple[float, float]]) -> look_policies.PolicyResult:
    return look_policies.PolicyResult(
        policy=POLICIES[0],
        closed=(),
        left_out=(),
        rounds=tuple(look_policies.Round(identity_cpu_ms=one, cpu_ms=whole) for one, whole in rounds),
    )
