"""What becomes of tracks is read off their events."""

from __future__ import annotations

from collections import Counter

from crystaledge.identity.spec import Stopping
from crystaledge.jsonio import dumps
from crystaledge.video.events import FaceEvent, FaceTurn
from crystaledge_benchmarks.video.enrolment import first_third, last_third
from crystaledge_benchmarks.video.identity import IdentityResult, RuleResult, confusion, report, tally
from crystaledge_benchmarks.video.probe import NOBODY, UNDECIDED, Best, Probe, TrackOutcome, outcomes
from tests.benchmarks.video.conftest import drawn_film


def test_a_commitment_and_when_it_came() -> None:
    events = [_event(1, FaceTurn.APPEARED), _event(1, FaceTurn.IDENTIFIED, name="ann", observations=4, llr=5.0)]
    (track,) = outcomes(events, Counter({1: 7}))
    assert (track.frames, track.answer, track.observations, track.llr) == (7, "ann", 4, 5.0)
    assert track.ever == ("ann",)


def test_a_doubt_takes_the_answer_back_and_the_first_commitment_is_kept() -> None:
    events = [
        _event(1, FaceTurn.APPEARED),
        _event(1, FaceTurn.IDENTIFIED, name="ann", observations=4, llr=5.0),
        _event(1, FaceTurn.DOUBTED),
    ]
    (track,) = outcomes(events, Counter())
    assert (track.answer, track.doubts, track.ever) == (UNDECIDED, 1, ("ann",))
    (track,) = outcomes([*events, _event(1, FaceTurn.UNKNOWN, observations=9, llr=-2.0)], Counter())
    assert (track.answer, track.observations, track.llr) == (NOBODY, 4, 5.0)


def test_tracks_that_never_appeared_are_left_out() -> None:
    events = [_event(1, FaceTurn.APPEARED), _event(2, FaceTurn.ENDED), _event(1, FaceTurn.LOST)]
    assert [track.track for track in outcomes(events, Counter({1: 1, 2: 1}))] == [1]


def test_the_main_track_is_longest_in_view() -> None:
    probe = _probe("ann", ("bob", 3), ("ann", 30))
    assert probe.main.answer == "ann"
    assert [track.answer for track in probe.others] == ["bob"]
    assert Probe(person="ann", tracks=()).main.answer == UNDECIDED


def test_confusion_and_tally_count_main_tracks() -> None:
    probes = [_probe("ann", ("ann", 9), ("bob", 2)), _probe("bob", ("ann", 9)), _probe("cid", (NOBODY, 9))]
    probes.append(Probe(person="dan", tracks=()))
    rows = confusion(probes)
    assert {person: dict(answers) for person, answers in rows.items()} == {
        "ann": {"ann": 1},
        "bob": {"ann": 1},
        "cid": {NOBODY: 1},
        "dan": {UNDECIDED: 1},
    }
    counts = tally(probes)
    assert [counts[what] for what in ("right", "wrong", NOBODY, UNDECIDED)] == [1, 1, 1, 1]
    assert (counts["others named"], counts["wrong at any time"], counts["nearest right"]) == (1, 1, 1)


def test_the_report_shows_the_matrix() -> None:
    closed = (_probe("ann", ("ann", 9)), _probe("bob", ("ann", 9)))
    rule = RuleResult(stopping=Stopping.SPRT, closed=closed, left_out=(_probe("ann", ("bob", 9)),))
    told = report(IdentityResult(enrolments=(), rules=(rule,)))
    lines = told.text().splitlines()
    at = lines.index("Closed confusion, sprt: whom each clip's main track is")
    assert lines[at + 1].split() == ["ann", "bob", NOBODY, UNDECIDED]
    assert lines[at + 3].split() == ["bob", "1", ".", ".", "."]
    assert told.findings[0].startswith("sprt, of 2 clips: closed nearest right 1, right 1, wrong 1")
    assert dumps(told.record)


def test_thirds_do_not_meet() -> None:
    frames = drawn_film(8)
    assert [frame.index for frame in first_third(frames)] == [0, 1]
    assert [frame.index for frame in last_third(frames)] == [6, 7]
    assert len(last_third(frames[:1])) == 1


def _probe(person: str, *tracks: tuple[str, int]) -> Probe:
    made = [
        TrackOutcome(
            track=number,
            frames=frames,
            answer=answer,
            observations=3,
            ever=() if answer == NOBODY else (answer,),
            best=Best(name=answer, llr=1.0, observations=3),
        )
        for number, (answer, frames) in enumerate(tracks)
    ]
    return Probe(person=person, tracks=tuple(made))


def _event(
    track: int, turn: FaceTurn, *, name: str | None = None, observations: int = 0, llr: float | None = None
) -> FaceEvent:
    return FaceEvent(
        frame=0,
        sequence="camera",
        track=track,
        turn=turn,
        time_s=0.0,
        box_xyxy=None,
        name=name,
        observations=observations,
        llr=llr,
    )
