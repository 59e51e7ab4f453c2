"""Detections, tracks that are verified though the detector saw nothing, and births that the track cell forbids."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import BundleError, ContractError, EngineError
from crystaledge.video.events import FaceTurn
from crystaledge.video.face_finder import FaceFinder
from crystaledge.video.lone_faces import NOBODY
from crystaledge.video.options import VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from tests.runtime.video.bright_square import DIM, FAINT, LOW_SCORE, write_detector
from tests.runtime.video.squares import Square, events_of, film, frame_of, told, turns, walk

DIM_GREY, FAINT_GREY = (DIM,) * 3, (FAINT,) * 3
STILL_SEEN = [*walk((20, 50), (3, 0), 6), *[[Square(38 + 3 * i, 50, colour=FAINT_GREY)] for i in range(24)]]


@pytest.mark.parametrize("side", [8, 12, 20, 24, 36, 60])
def test_faces_of_all_octaves_are_found_once_in_the_frames_pixels(squares: Bundle, side: int) -> None:
    finder = FaceFinder(squares, VideoOptions())
    square = Square(100, 60, side=2 * side)
    (find,) = finder.find([frame_of(0, [square], size_hw=(192, 256))], [NOBODY])
    finder.close()
    assert len(find.detections) == find.detected == 1
    assert find.detections.box_xyxy[0] == pytest.approx(square.box, abs=2.5 if side < 50 else 5.0)
    assert find.recomputed == 1.0
    assert not find.cut


def test_a_face_that_the_detector_misses_is_kept_by_the_track_cell(squares: Bundle) -> None:
    with VideoPipeline.of(squares, None) as pipeline:
        events = events_of(pipeline, film(STILL_SEEN[:8]))
        detections = pipeline.cameras["door"].detections
        assert detections is not None
        assert detections.score.tolist() == [pytest.approx(LOW_SCORE)]
        events += events_of(pipeline, film(STILL_SEEN[8:], first=8))
    assert turns(events) == [(2, FaceTurn.APPEARED, 0)]


def test_a_track_cell_that_sees_nothing_lets_the_track_go(tmp_path: Path) -> None:
    with VideoPipeline.of(write_detector(tmp_path / "blind.bundle", score=0.05), None) as pipeline:
        events = events_of(pipeline, film(STILL_SEEN))
    assert [event.turn for event in events] == [FaceTurn.APPEARED, FaceTurn.LOST]


def test_what_the_track_cell_does_not_believe_founds_no_track(tmp_path: Path) -> None:
    with VideoPipeline.of(write_detector(tmp_path / "strict.bundle", birth=0.1), None) as pipeline:
        assert events_of(pipeline, film(walk((20, 50), (3, 0), 12))) == []
        assert pipeline.ids.next == 0
        assert pipeline._finder.looks.store.tracks == ()


def test_a_dim_face_goes_on_with_a_track_and_founds_none(squares: Bundle) -> None:
    bright, dim = walk((20, 50), (3, 0), 5), walk((35, 50), (3, 0), 24, DIM_GREY)
    with VideoPipeline.of(squares, None) as pipeline:
        assert events_of(pipeline, film(dim, sequence="dim")) == []
        events = events_of(pipeline, film([*bright, *dim]))
    assert [event.turn for event in events] == [FaceTurn.APPEARED]


def test_nobody_is_verified_across_a_cut(tmp_path: Path) -> None:
    # The cell sees a face everywhere, and yet the old scene's face is not carried into the new one.
    pattern = [Square(x, y, 8, (90, 90, 90)) for x in range(0, 128, 16) for y in range(0, 128, 16)]
    checks = [*pattern, *(Square(s.x + 8, s.y + 8, 8, (170, 170, 170)) for s in pattern)]
    checks += [Square(s.x + 8, s.y, 8, (60, 60, 60)) for s in pattern]
    checks += [Square(s.x, s.y + 8, 8, (185, 185, 185)) for s in pattern]
    with VideoPipeline.of(write_detector(tmp_path / "eager.bundle", score=0.95), None) as pipeline:
        events = events_of(pipeline, film([*walk((20, 50), (3, 0), 6), *[checks] * 4]))
    assert [(event.frame, event.turn) for event in told(events, FaceTurn.LOST)] == [(6, FaceTurn.LOST)]


def test_a_box_that_is_not_finite_is_an_error_and_no_face(tmp_path: Path) -> None:
    odd = write_detector(tmp_path / "odd.bundle", score=float("nan"))
    with VideoPipeline.of(odd, None) as pipeline, pytest.raises(EngineError, match="not finite"):
        events_of(pipeline, film(walk((20, 50), (3, 0), 4)))


def test_a_graph_that_finds_nothing_is_refused(squares: Bundle) -> None:
    with pytest.raises(ContractError, match="finds nothing in an image"):
        FaceFinder(squares, VideoOptions(graph="track"))
    with pytest.raises(BundleError):
        FaceFinder(squares, VideoOptions(graph="no such graph"))
