"""When a face is looked at, whom it is taken for, and how that is taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crystaledge.bundle import Bundle
from crystaledge.identity.spec import Stopping
from crystaledge.identity.stopping import LONGEST_TEST
from crystaledge.video.events import FaceTurn
from crystaledge.video.options import LookPolicy, VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from tests.runtime.video.colours import BLUE, GREEN, INTERCEPT, RED, SLOPE, write_colours
from tests.runtime.video.squares import Square, events_of, film, frame_of, told, walk

AGAIN = LookPolicy(committed_every_s=0.2)


def enrol(pipeline: VideoPipeline, **people: tuple[int, int, int]) -> None:
    """Enrol squares of these colours."""
    for name, colour in people.items():
        pipeline.enroll(name, film(walk((40, 40), (0, 0), 2, colour), sequence="enrolment"))


def observations(pipeline: VideoPipeline, track: int = 0) -> int:
    """How often a track was looked at; 0 for one that never was."""
    assert pipeline.crystallizer is not None
    found = [record for record in pipeline.crystallizer.records if record.track == track]
    return found[0].observations if found else 0


@pytest.mark.parametrize(
    ("side", "smallest_px", "expected"),
    [
        pytest.param(15, 16.0, 0, id="too-small"),
        pytest.param(16, 15.9, 6, id="large-enough"),
        pytest.param(20, 30.0, 0, id="stricter"),
    ],
)
def test_small_faces_are_followed_and_not_looked_at(
    squares: Bundle, colours: Bundle, side: int, smallest_px: float, expected: int
) -> None:
    options = VideoOptions(looks=LookPolicy(smallest_px=smallest_px))
    with VideoPipeline.of(squares, colours, options) as pipeline:
        events = events_of(pipeline, film(walk((20, 50), (3, 0), 6, side=side)))
        assert observations(pipeline) == expected
    (appeared,) = told(events, FaceTurn.APPEARED)
    assert appeared.observations == (0 if expected == 0 else 2)


def test_faces_that_reach_out_of_the_frame_are_not_looked_at(squares: Bundle, colours: Bundle, tmp_path: Path) -> None:
    # The detector's boxes end with the frame here, so the box is put where a real detector would see it.
    with VideoPipeline.of(squares, colours) as pipeline:
        camera = pipeline.new_camera()
        assert pipeline._identities is not None
        from crystaledge.video.identities import Seen

        for track, left in enumerate((-2.0, -4.0, 110.0)):
            box = np.array([left, 40, left + 20, 60], np.float32)
            camera.show(track, box)
            pipeline._identities.look([Seen(frame_of(0, []), camera, track, box)])
        looked = [observations(pipeline, track) for track in range(3)]
    assert looked == [1, 0, 1]


@pytest.mark.parametrize(("every_s", "expected"), [(0.0, 10), (0.1, 10), (0.2, 5), (0.5, 2), (5.0, 1)])
def test_an_open_face_is_looked_at_every_so_often(
    squares: Bundle, colours: Bundle, every_s: float, expected: int
) -> None:
    options = VideoOptions(looks=LookPolicy(open_every_s=every_s))
    with VideoPipeline.of(squares, colours, options) as pipeline:
        events_of(pipeline, film(walk((20, 50), (3, 0), 10)))
        assert observations(pipeline) == expected


def test_the_third_frame_of_thirty_a_second_is_a_tenth_of_a_second_later(squares: Bundle, colours: Bundle) -> None:
    frames = [frame_of(i, scene, time_s=i / 30) for i, scene in enumerate(walk((10, 50), (3, 0), 30))]
    with VideoPipeline.of(squares, colours) as pipeline:
        events_of(pipeline, frames)
        assert observations(pipeline) == 10


def test_a_committed_face_is_looked_at_less_often(squares: Bundle, colours: Bundle) -> None:
    options = VideoOptions(looks=LookPolicy(committed_every_s=0.5))
    with VideoPipeline.of(squares, colours, options) as pipeline:
        enrol(pipeline, ada=RED)
        (identified,) = told(events_of(pipeline, film(walk((10, 50), (3, 0), 16, RED))), FaceTurn.IDENTIFIED)
        assert observations(pipeline) == 4  # frames 0, 5, 10, 15
    assert (identified.frame, identified.name, identified.observations) == (0, "ada", 1)
    assert identified.llr == pytest.approx(SLOPE + INTERCEPT, abs=0.1)
    assert identified.false_accept_rate == 0.01
    assert identified.quality == pytest.approx(0.8)


def test_a_stranger_is_unknown_by_the_likelihood_ratio(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours) as pipeline:
        enrol(pipeline, ada=RED, bob=BLUE)
        (unknown,) = told(events_of(pipeline, film(walk((10, 50), (3, 0), 4, GREEN))), FaceTurn.UNKNOWN)
    assert (unknown.frame, unknown.name) == (0, None)


@pytest.mark.parametrize(("stopping", "ends"), [(Stopping.TRUNCATED, True), (Stopping.SPRT, False)])
def test_a_face_in_doubt_is_decided_at_the_end_of_a_truncated_test(
    squares: Bundle, tmp_path: Path, stopping: Stopping, ends: bool
) -> None:
    # Equal colours give a ratio of 2, inside of Wald's interval for good.
    doubtful = write_colours(tmp_path / "doubtful.bundle", intercept=-18.0)
    with VideoPipeline.of(squares, doubtful, VideoOptions(stopping=stopping)) as pipeline:
        enrol(pipeline, ada=RED)
        events = events_of(pipeline, film(walk((10, 50), (3, 0), 26, RED)))
    committed = [(event.turn, event.frame, event.name) for event in events if event.turn is not FaceTurn.APPEARED]
    assert committed == ([(FaceTurn.IDENTIFIED, LONGEST_TEST - 1, "ada")] if ends else [])


@pytest.mark.parametrize(("others", "turn"), [(6, FaceTurn.IDENTIFIED), (7, FaceTurn.UNKNOWN)])
def test_among_many_a_face_that_chance_explains_stays_nobody_for_good(
    squares: Bundle, tmp_path: Path, others: int, turn: FaceTurn
) -> None:
    # The ratio of 2 lies between ln 7 and ln 8; the operating point, which compares with one, would say "same".
    doubtful = write_colours(tmp_path / "doubtful.bundle", intercept=-18.0)
    with VideoPipeline.of(squares, doubtful, VideoOptions(looks=AGAIN)) as pipeline:
        enrol(pipeline, ada=RED)
        assert pipeline.crystallizer is not None
        for number, direction in enumerate([*np.eye(6)[3:], *-np.eye(6)[2:]][:others]):
            pipeline.crystallizer.gallery.enroll(f"other{number}", direction.astype(np.float32), 0.0, 1)
        events = events_of(pipeline, film(walk((10, 50), (1, 0), 80, RED)))
    assert [event.turn for event in events if event.turn is not FaceTurn.APPEARED] == [turn]


def test_a_name_is_doubted_when_somebody_fits_better(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours, VideoOptions(looks=AGAIN)) as pipeline:
        gallery = pipeline.crystallizer.gallery if pipeline.crystallizer else None
        assert gallery is not None
        gallery.enroll("nearly", np.array([1.0, -0.4, -0.5, 0, 0, 0], np.float32), 0.0, 1)
        frames = film(walk((10, 50), (3, 0), 20, RED))
        before = events_of(pipeline, frames[:8])
        enrol(pipeline, exactly=RED)
        after = events_of(pipeline, frames[8:])
    assert [(event.turn, event.name) for event in before if event.name] == [
        (FaceTurn.IDENTIFIED, "nearly"),
        (FaceTurn.APPEARED, "nearly"),
    ]
    assert [(event.turn, event.name) for event in after] == [
        (FaceTurn.DOUBTED, "nearly"),
        (FaceTurn.IDENTIFIED, "exactly"),
    ]
    assert after[1].observations == 1  # looked at anew
    assert {event.track for event in (*before, *after)} == {0}


def test_a_name_is_doubted_when_the_person_is_forgotten(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours, VideoOptions(looks=AGAIN)) as pipeline:
        enrol(pipeline, ada=RED, bob=BLUE)
        frames = film(walk((10, 50), (3, 0), 20, RED))
        events_of(pipeline, frames[:8])
        assert pipeline.crystallizer is not None
        pipeline.crystallizer.gallery.remove("ada")
        after = events_of(pipeline, frames[8:])
    assert [event.turn for event in after] == [FaceTurn.DOUBTED, FaceTurn.UNKNOWN]


def test_with_nobody_left_a_name_is_not_kept(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours, VideoOptions(looks=AGAIN)) as pipeline:
        enrol(pipeline, ada=RED)
        frames = film(walk((10, 50), (3, 0), 20, RED))
        events_of(pipeline, frames[:8])
        assert pipeline.crystallizer is not None
        pipeline.crystallizer.gallery.remove("ada")
        after = events_of(pipeline, frames[8:])
        assert [event.turn for event in after] == [FaceTurn.DOUBTED]
        assert all(record.committed_match is None for record in pipeline.crystallizer.records)


def test_an_unknown_face_is_doubted_when_its_person_is_enrolled(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours, VideoOptions(looks=AGAIN)) as pipeline:
        enrol(pipeline, bob=BLUE)
        frames = film(walk((10, 50), (3, 0), 20, RED))
        before = events_of(pipeline, frames[:8])
        enrol(pipeline, ada=RED)
        after = events_of(pipeline, frames[8:])
    assert FaceTurn.UNKNOWN in {event.turn for event in before}
    assert [(event.turn, event.name) for event in after] == [(FaceTurn.DOUBTED, None), (FaceTurn.IDENTIFIED, "ada")]


def test_a_name_survives_looks_that_agree(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours, VideoOptions(looks=AGAIN)) as pipeline:
        enrol(pipeline, ada=RED, bob=BLUE)
        assert not told(events_of(pipeline, film(walk((10, 50), (2, 0), 40, RED))), FaceTurn.DOUBTED)


def test_a_track_that_is_handed_over_gives_its_state_where_the_other_has_none(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.of(squares, colours) as pipeline:
        identities, crystallizer = pipeline._identities, pipeline.crystallizer
        assert identities is not None and crystallizer is not None
        events_of(pipeline, film(walk((10, 50), (3, 0), 5, RED)))
        state = {name: value.copy() for name, value in crystallizer.store.state(0).items()}
        record = crystallizer.record(0)
        identities.hand_over(0, 7)
        assert crystallizer.store.tracks == (7,)
        assert crystallizer.record(7) == replace(record, track=7)
        np.testing.assert_array_equal(crystallizer.store.state(7)["hidden"], state["hidden"])
        crystallizer.begin(9, sequence="door", frame=0)
        identities.hand_over(9, 7)  # the older one has a past of its own
        identities.hand_over(5, 7)  # never looked at
        assert crystallizer.store.tracks == (7,)
        np.testing.assert_array_equal(crystallizer.store.state(7)["hidden"], state["hidden"])
        crystallizer.end(7)


def test_who_comes_back_is_known_at_once_and_is_one_person(squares: Bundle, colours: Bundle) -> None:
    scenes = [*walk((10, 50), (3, 0), 12, RED), *[list[Square]()] * 25, *walk((100, 20), (-3, 1), 12, RED)]
    with VideoPipeline.of(squares, colours) as pipeline:
        enrol(pipeline, ada=RED)
        events = events_of(pipeline, film(scenes))
        assert pipeline.crystallizer is not None
        assert pipeline.crystallizer.store.tracks == (0,)
    (returned,) = told(events, FaceTurn.RETURNED)
    assert (returned.track, returned.name) == (0, "ada")
