"""The pipeline on the tiny step: what its events say, what it remembers, and what it forgets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.detections import Detections
from crystaledge.errors import CrystalEdgeError, DataError, UsageError
from crystaledge.identity.decision import Decider, Verdict
from crystaledge.identity.matching import match_scores, unit_rows
from crystaledge.identity.spec import Stopping
from crystaledge.locate import FixedBox
from crystaledge.manifest.model import MANIFEST_NAME
from crystaledge.pipeline import Event, Pipeline, PipelineOptions, TrackEvent
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from tests.runtime.mnemosyne_pipelines import SPEC, deciding, eager, events_of, opened, point, stillness
from tests.support.bundles import write_tiny_bundle
from tests.support.frames import drawn_frames
from tests.support.manifests import IDLE_LIMIT_FRAMES, changed, tiny_manifest
from tests.support.messages import message_of
from tests.support.step_graphs import HIDDEN, tiny_step

Array = NDArray[np.float32]


def rolled_out(frames: Iterable[Frame]) -> list[dict[str, Array]]:
    """The tiny step over frames of one person, by hand."""
    preprocessor = Preprocessor(tiny_manifest().preprocessing)
    hidden, steps = np.zeros((1, HIDDEN), np.float32), []
    for frame in frames:
        steps.append(tiny_step(preprocessor(frame.pixels, frame.color)[None], hidden))
        hidden = steps[-1]["hidden_next"]
    return steps


def test_an_event_says_what_the_step_and_the_gallery_gave(tiny_bundle_path: Path) -> None:
    ada, bob, seen = drawn_frames(0, 5, take=1), drawn_frames(1, 5, take=1), drawn_frames(0, 6, first=40)
    with opened(tiny_bundle_path) as pipeline:
        assert pipeline.enroll("ada", ada) == 5
        assert pipeline.enroll("bob", bob) == 5
        events = events_of(pipeline, seen)
    enrolled = [rolled_out(frames)[-1] for frames in (ada, bob)]
    decider = Decider(SPEC)
    assert len(events) == 6
    for place, (event, step) in enumerate(zip(events, rolled_out(seen), strict=True)):
        assert (event.frame, event.sequence, event.track, event.observations) == (40 + place, "person0", 0, place + 1)
        assert event.quality == pytest.approx(step["quality"][0, 0], abs=1e-6)
        assert event.velocity == pytest.approx(step["velocity"][0, 0], abs=1e-6)
        assert event.state_norm == pytest.approx(np.linalg.norm(step["hidden_next"]), abs=1e-6)
        scores = match_scores(
            SPEC.score,
            unit_rows(step["hidden_next"]),
            step["log_variance"][:, 0].astype(np.float64),
            unit_rows(np.concatenate([person["hidden_next"] for person in enrolled])),
            np.array([person["log_variance"][0, 0] for person in enrolled], np.float64),
        )[0]
        best = int(scores.argmax())
        assert event.match == ("ada", "bob")[best]
        assert event.score == pytest.approx(scores[best], abs=1e-4)
        assert event.score is not None
        expected = decider.decide(event.score, place + 1)
        assert (event.llr, event.verdict) == (expected.llr, expected.verdict)
        assert (event.threshold, event.false_accept_rate) == (expected.point.threshold, 0.01)


def test_without_anybody_enrolled_there_is_no_match(tiny_bundle_path: Path) -> None:
    with opened(tiny_bundle_path) as pipeline:
        (event,) = pipeline.process(drawn_frames(0, 1)[0])
    assert event.observations == 1
    for field in ("match", "score", "llr", "verdict", "threshold", "false_accept_rate", "committed_match"):
        assert getattr(event, field) is None, field
    assert not event.crystallized


def test_the_asked_for_operating_point_decides(tiny_bundle_path: Path) -> None:
    with opened(tiny_bundle_path, false_accept_rate=0.1) as pipeline:
        pipeline.enroll("ada", drawn_frames(0, 4))
        events = events_of(pipeline, drawn_frames(0, 4))
    assert [event.threshold for event in events] == [0.4, 0.4, 0.4, 0.2]
    assert {event.false_accept_rate for event in events} == {0.1}


def test_the_lesser_number_of_observations_chooses_the_threshold(tiny_bundle_path: Path) -> None:
    # Enrolled from one frame: however long the track, the match is no better founded than that.
    with opened(tiny_bundle_path) as pipeline:
        pipeline.enroll("ada", drawn_frames(0, 1))
        events = events_of(pipeline, drawn_frames(0, 6))
    assert {event.threshold for event in events} == {0.9}


def test_a_rate_that_was_not_calibrated_is_refused(tiny_bundle_path: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"no operating point for a false-accept rate of 0\.5"),
        opened(tiny_bundle_path, false_accept_rate=0.5),
    ):
        pytest.fail("the pipeline must not open")


@pytest.mark.parametrize(
    ("intercept", "verdict", "match"),
    [
        pytest.param(99.0, Verdict.SAME, "ada", id="accepted"),
        pytest.param(-99.0, Verdict.DIFFERENT, None, id="rejected"),
    ],
)
def test_the_sequential_test_commits_at_once_when_the_evidence_is_there(
    tmp_path: Path, intercept: float, verdict: Verdict, match: str | None
) -> None:
    with opened(deciding(tmp_path, **eager(0.0, intercept))) as pipeline:
        pipeline.enroll("ada", drawn_frames(0, 3))
        first, *rest = events_of(pipeline, drawn_frames(0, 4, first=7))
    assert (first.crystallized, first.committed_frame, first.committed_match) == (True, 7, match)
    assert all((event.committed_frame, event.committed_match) == (7, match) for event in rest)


def test_without_evidence_nothing_is_committed(tmp_path: Path) -> None:
    with opened(deciding(tmp_path, **eager(0.0, 0.0))) as pipeline:
        pipeline.enroll("ada", drawn_frames(0, 3))
        events = events_of(pipeline, drawn_frames(0, 10))
    assert not any(event.crystallized for event in events)
    assert {(event.committed_frame, event.committed_match) for event in events} == {(None, None)}


def test_a_commitment_holds_whatever_comes_later(tmp_path: Path) -> None:
    # The evidence for whoever is enrolled is overwhelming; who that is changes in the middle.
    with opened(deciding(tmp_path, **eager(0.0, 99.0))) as pipeline:
        pipeline.enroll("ada", drawn_frames(0, 3))
        before = events_of(pipeline, drawn_frames(0, 2))
        pipeline.gallery.remove("ada")
        pipeline.enroll("bob", drawn_frames(1, 3))
        after = events_of(pipeline, drawn_frames(0, 3, first=2))
    assert [event.match for event in (*before, *after)] == ["ada", "ada", "bob", "bob", "bob"]
    assert all((e.crystallized, e.committed_frame, e.committed_match) == (True, 0, "ada") for e in (*before, *after))


@pytest.mark.parametrize(
    ("threshold", "committed_match"),
    [pytest.param(-1e9, "ada", id="match-accepted"), pytest.param(1e9, None, id="match-refused")],
)
def test_a_settled_state_commits_to_the_operating_points_verdict(
    tmp_path: Path, threshold: float, committed_match: str | None
) -> None:
    # Every velocity is below 1, so that the third observation is the third still one.
    bundle = deciding(tmp_path, **stillness(1.0, 3), **point(threshold))
    with opened(bundle, stopping=Stopping.VELOCITY) as pipeline:
        pipeline.enroll("ada", drawn_frames(0, 3))
        events = events_of(pipeline, drawn_frames(0, 5, first=10))
    assert [event.crystallized for event in events] == [False, False, True, True, True]
    assert [event.committed_frame for event in events] == [None, None, 12, 12, 12]
    assert [event.committed_match for event in events] == [None, None, *[committed_match] * 3]


def test_a_moving_frame_starts_the_count_of_still_ones_anew(tmp_path: Path) -> None:
    # The tiny step calls black frames still and white ones moving.
    film = [
        Frame(np.full((8, 8, 3), grey, np.uint8), ColorOrder.RGB, place, "a")
        for place, grey in enumerate([0, 255, 0, 255, 255, 0, 0, 0, 255])
    ]
    with opened(deciding(tmp_path, **stillness(0.5, 3)), stopping=Stopping.VELOCITY) as pipeline:
        events = events_of(pipeline, film)
    still = [event.velocity < 0.5 for event in events]
    assert still == [True, False, True, False, False, True, True, True, False]
    assert [event.crystallized for event in events] == [False] * 7 + [True, True]
    assert [event.committed_frame for event in events] == [None] * 7 + [7, 7]


def test_enrolment_leaves_nothing_in_the_store(tiny_bundle_path: Path) -> None:
    with opened(tiny_bundle_path) as pipeline:
        pipeline.enroll("ada", drawn_frames(0, 4))
        assert pipeline.store.tracks == ()
        assert not pipeline.store.arrays["hidden"].any()
        assert [person.name for person in pipeline.gallery.people] == ["ada"]


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        pytest.param([], DataError, id="no-frame"),
    ],
)
def test_a_failed_enrolment_leaves_nothing_at_all(
    tiny_bundle_path: Path, frames: list[Frame], error: type[CrystalEdgeError]
) -> None:
    with opened(tiny_bundle_path) as pipeline:
        with pytest.raises(error) as raised:
            pipeline.enroll("ada", frames)
        message_of(raised)
        assert pipeline.store.tracks == ()
        assert not pipeline.store.arrays["hidden"].any()
        assert len(pipeline.gallery) == 0
        assert pipeline.enroll("ada", drawn_frames(0, 2)) == 2


def test_a_name_is_enrolled_once(tiny_bundle_path: Path) -> None:
    with opened(tiny_bundle_path) as pipeline:
        pipeline.enroll("ada", drawn_frames(0, 2))
        with pytest.raises(UsageError, match="'ada' is enrolled already"):
            pipeline.enroll("ada", drawn_frames(1, 2))
        assert pipeline.store.tracks == ()
        assert len(pipeline.gallery) == 1


def test_enrolment_between_frames_changes_no_track(tiny_bundle_path: Path) -> None:
    frames = drawn_frames(0, 6)
    with opened(tiny_bundle_path) as undisturbed, opened(tiny_bundle_path) as disturbed:
        expected = events_of(undisturbed, frames)
        found = events_of(disturbed, frames[:3])
        disturbed.enroll("bob", drawn_frames(1, 4))
        found += events_of(disturbed, frames[3:])
    assert [event.state_norm for event in found] == [event.state_norm for event in expected]


def test_a_new_sequence_is_a_new_track_from_the_first_state(tiny_bundle_path: Path) -> None:
    with opened(tiny_bundle_path) as pipeline:
        first = events_of(pipeline, drawn_frames(0, 3, sequence="a"))
        second = events_of(pipeline, drawn_frames(0, 3, first=3, sequence="b"))
    assert [event.track for event in (*first, *second)] == [0, 0, 0, 1, 1, 1]
    assert [event.observations for event in second] == [1, 2, 3]
    assert [event.state_norm for event in second] == [event.state_norm for event in first]


def test_idle_tracks_are_forgotten_with_their_records(tiny_bundle_path: Path, tmp_path: Path) -> None:
    with opened(tiny_bundle_path) as pipeline:
        events_of(pipeline, drawn_frames(0, 2, sequence="a"))  # last seen in frame 1
        events_of(pipeline, drawn_frames(1, IDLE_LIMIT_FRAMES, first=2, sequence="b"))
        assert list(pipeline.store.tracks) == [0, 1]
        events_of(pipeline, drawn_frames(1, 1, first=2 + IDLE_LIMIT_FRAMES, sequence="b"))
        assert list(pipeline.store.tracks) == [1]
        pipeline.snapshot(tmp_path / "tracks.state")
    with np.load(tmp_path / "tracks.state") as file:
        header = json.loads(file["header"].tobytes())
    assert [record["track"] for record in json.loads(header["host"])["records"]] == [1]


def test_a_frame_with_a_gap_in_its_numbers_starts_the_track_anew(tiny_bundle_path: Path) -> None:
    first, later = drawn_frames(0, 1, sequence="a"), drawn_frames(0, 1, first=IDLE_LIMIT_FRAMES + 1, sequence="a")
    with opened(tiny_bundle_path) as pipeline:
        assert [event.observations for event in events_of(pipeline, [*first, *later])] == [1, 1]


class Grid:
    """Finds a face in each of six parts of every frame."""

    def locate(self, frame: Frame) -> Detections:
        """Three columns and two rows of boxes."""
        height, width = (side // parts for side, parts in zip(frame.pixels.shape[:2], (2, 3), strict=True))
        corners = [(column * width, row * height) for row in range(2) for column in range(3)]
        boxes = np.array([(x, y, x + width, y + height) for x, y in corners], np.float32)
        return Detections(boxes, np.ones(len(boxes), np.float32))


class Places:
    """Each place of the grid is a track; the numbers fall, so that order shows."""

    def resume(self, tracks: Mapping[int, str]) -> None:
        """Places need no memory."""

    def update(self, frame: Frame, detections: Detections) -> NDArray[np.int64]:
        """One number for each detection."""
        return 100 - np.arange(len(detections), dtype=np.int64)


def test_more_faces_than_one_call_can_advance_are_all_advanced(tiny_bundle_path: Path) -> None:
    frames = drawn_frames(0, 3)
    with opened(tiny_bundle_path, locator=Grid(), tracker=Places) as pipeline:
        together = [list(pipeline.process(frame)) for frame in frames]
    assert [[event.track for event in events] for events in together] == [[100, 99, 98, 97, 96, 95]] * 3
    for place, (x, y, right, bottom) in enumerate(Grid().locate(frames[0]).box_xyxy.astype(int).tolist()):
        crops = [replace(frame, pixels=frame.pixels[y:bottom, x:right]) for frame in frames]
        for step, expected in enumerate(rolled_out(crops)):
            event = together[step][place]
            assert event.observations == step + 1
            assert event.state_norm == pytest.approx(np.linalg.norm(expected["hidden_next"]), abs=1e-6)


class Nobody:
    """Finds no face."""

    def locate(self, frame: Frame) -> Detections:
        """No box."""
        return Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))


def test_a_frame_without_a_face_has_no_event(tiny_bundle_path: Path) -> None:
    with opened(tiny_bundle_path, locator=Nobody()) as pipeline:
        assert list(pipeline.process(drawn_frames(0, 1)[0])) == []
        assert pipeline.store.tracks == ()


def test_enrolment_from_frames_without_a_face_is_refused(tiny_bundle_path: Path) -> None:
    # What would be learnt is whatever lay in the buffer.
    with opened(tiny_bundle_path, locator=Nobody()) as pipeline:
        with pytest.raises(DataError):
            pipeline.enroll("ada", drawn_frames(0, 3))
        assert len(pipeline.gallery) == 0


class EverySecond:
    """Finds a face in frames of even numbers alone."""

    def locate(self, frame: Frame) -> Detections:
        """The whole frame, or nothing."""
        return (Nobody() if frame.index % 2 else FixedBox()).locate(frame)


def test_enrolment_uses_the_frames_that_show_a_face(tiny_bundle_path: Path) -> None:
    frames = drawn_frames(0, 5)
    with opened(tiny_bundle_path, locator=EverySecond()) as partly, opened(tiny_bundle_path) as wholly:
        assert partly.enroll("ada", frames) == 3
        assert wholly.enroll("ada", frames[::2]) == 3
        assert partly.gallery.people == wholly.gallery.people
        partly.locate_with(FixedBox())
        assert events_of(partly, frames) == events_of(wholly, frames)


def test_the_locator_can_be_changed_while_tracks_go_on(tiny_bundle_path: Path) -> None:
    frames = drawn_frames(0, 2)
    half = FixedBox((0.0, 0.0, 0.5, 1.0))
    with opened(tiny_bundle_path) as pipeline:
        pipeline.process(frames[0])
        pipeline.locate_with(half)
        (event,) = pipeline.process(frames[1])
    cropped = replace(frames[1], pixels=frames[1].pixels[:, :12])
    expected = rolled_out([frames[0], cropped])[-1]
    assert event.observations == 2
    assert event.state_norm == pytest.approx(np.linalg.norm(expected["hidden_next"]), abs=1e-6)


def test_a_bad_frame_is_refused_and_the_next_good_one_is_taken(tiny_bundle_path: Path) -> None:
    frames = drawn_frames(0, 2)
    with opened(tiny_bundle_path) as pipeline:
        pipeline.process(frames[0])
        with pytest.raises(DataError):
            pipeline.process(replace(frames[1], pixels=np.zeros((8, 8), np.uint8)))
        (event,) = pipeline.process(frames[1])
    assert event.observations == 2
    assert event.state_norm == pytest.approx(np.linalg.norm(rolled_out(frames)[-1]["hidden_next"]), abs=1e-6)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(("decision", "dimensions"), HIDDEN + 1, id="identity-longer-than-the-state"),
        pytest.param(("preprocessing", "size_hw"), [4, 4], id="faces-of-another-size"),
        pytest.param(("graphs", 0, "states"), [], id="state-not-declared"),
        pytest.param(("graphs", 0, "outputs", 3, "name"), "mood", id="output-of-another-name"),
        pytest.param(("graphs", 0, "inputs", 0, "name"), "photo", id="input-of-another-name"),
    ],
)
def test_a_manifest_that_contradicts_its_own_system_does_not_open(
    tiny_bundle_path: Path, tmp_path: Path, place: tuple[str | int, ...], value: object
) -> None:
    # Found when the bundle is opened, and not when the first face breaks a shape somewhere inside.
    bundle = write_tiny_bundle(tmp_path / "odd.bundle")
    manifest = bundle.path / MANIFEST_NAME
    spoiled = changed(json.loads(manifest.read_text(encoding="utf-8")), place, value)
    manifest.write_text(json.dumps(spoiled), encoding="utf-8")
    with pytest.raises(CrystalEdgeError) as raised, opened(bundle.path):
        pytest.fail("the pipeline must not open")
    message_of(raised)


def test_an_exported_bundle_runs(bundle_path: Path) -> None:
    with opened(bundle_path) as pipeline:
        assert pipeline.enroll("ada", drawn_frames(0, 3, take=1)) == 3
        events = events_of(pipeline, drawn_frames(0, 4))
    assert [event.observations for event in events] == [1, 2, 3, 4]
    assert {event.match for event in events} == {"ada"}
    for event in events:
        assert event.score is not None
        assert np.isfinite([event.score, event.state_norm]).all()
        assert 0 < event.quality < 1


def test_the_decision_of_the_tiny_bundle_is_the_one_assumed_here(tiny_bundle_path: Path) -> None:
    decision = Bundle.open(tiny_bundle_path).manifest.decision
    assert decision == SPEC


def track_of(event: Event) -> int:
    assert isinstance(event, TrackEvent)
    return event.track


def test_an_options_object_shares_no_state_between_pipelines(tiny_bundle_path: Path) -> None:
    options = PipelineOptions()
    with Pipeline.open(tiny_bundle_path, options) as one, Pipeline.open(tiny_bundle_path, options) as two:
        film = drawn_frames(0, 2)
        tracks = [track_of(event) for frame in film for pipeline in (one, two) for event in pipeline.process(frame)]
    assert tracks == [0, 0, 0, 0]
