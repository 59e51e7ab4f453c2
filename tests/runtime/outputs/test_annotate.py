"""Annotated pictures: any box on any frame, colours by state, and the frame itself untouched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.liveness.result import Liveness
from crystaledge.outputs.annotate import COLOURS, annotated, label_of
from crystaledge.outputs.privacy import Privacy
from crystaledge.outputs.view import FrameView, TrackState, TrackView
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from tests.runtime.outputs.builders import KNOWN, NAME, drawn_pixels, frame_view, track_view

COORDINATE = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(-200, 200))
TRACKS = st.builds(
    track_view,
    st.integers(0, 10**9),
    st.tuples(COORDINATE, COORDINATE, COORDINATE, COORDINATE),
    label=st.one_of(st.none(), st.text(max_size=30)),
    crystallized=st.booleans(),
    coasting=st.booleans(),
    score=st.one_of(st.none(), st.floats()),
    liveness=st.one_of(st.none(), st.sampled_from(Liveness)),
    progress=st.one_of(st.none(), st.floats()),
)


def shows(picture: NDArray[np.uint8], state: TrackState) -> bool:
    """Whether a state's colour is anywhere."""
    return bool((picture == np.array(COLOURS[state], np.uint8)).all(axis=2).any())


@given(
    st.lists(TRACKS, max_size=4),
    st.integers(1, 120),
    st.integers(1, 120),
    st.sampled_from(ColorOrder),
    st.sampled_from(Privacy),
)
def test_any_box_on_any_frame(
    tracks: list[TrackView], height: int, width: int, color: ColorOrder, privacy: Privacy
) -> None:
    pixels = drawn_pixels(height, width)
    before = pixels.copy()
    picture = annotated(frame_view(pixels, tracks, color=color), privacy=privacy)
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    assert not np.shares_memory(picture, pixels)
    assert (pixels == before).all()


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 3000), (3000, 1), (4320, 7680)])
def test_smallest_and_largest_frames(size_hw: tuple[int, int]) -> None:
    pixels = np.zeros((*size_hw, 3), np.uint8)
    box = (0.0, 0.0, float(size_hw[1]), float(size_hw[0]))
    picture = annotated(frame_view(pixels, [track_view(box_xyxy=box)]))
    assert picture.shape == pixels.shape
    assert picture.any()


@pytest.mark.parametrize("color", ColorOrder)
@pytest.mark.parametrize("step", [1, -1], ids=["in-order", "flipped-view"])
def test_without_tracks_it_is_the_frame_in_bgr(color: ColorOrder, step: int) -> None:
    pixels = drawn_pixels()[:, ::step]
    picture = annotated(frame_view(pixels, color=color))
    assert (picture == (pixels[..., ::-1] if color is ColorOrder.RGB else pixels)).all()


@pytest.mark.parametrize("state", TrackState)
def test_the_colour_tells_the_state(state: TrackState) -> None:
    track = track_view(
        label=NAME if state is TrackState.KNOWN else None,
        crystallized=state in (TrackState.KNOWN, TrackState.UNKNOWN),
        coasting=state is TrackState.COASTING,
    )
    picture = annotated(frame_view(np.zeros((120, 160, 3), np.uint8), [track]))
    assert [shown for shown in TrackState if shows(picture, shown)] == [state]


@pytest.mark.parametrize("side", [120, 1080, 2160])
def test_lines_and_letters_grow_with_the_frame(side: int) -> None:
    pixels = np.zeros((side, side, 3), np.uint8)
    box = (0.3 * side, 0.3 * side, 0.7 * side, 0.7 * side)
    picture = annotated(frame_view(pixels, [track_view(box_xyxy=box, label="MMMM")]))
    left_edge = picture[side // 2, : side // 2].any(axis=1)
    label = picture[: round(0.3 * side) - side // 100].any(axis=(1, 2))
    assert left_edge.sum() >= max(1, side // 300)
    assert label.sum() >= max(12, side / 60)


@pytest.mark.parametrize(
    "box", [(-90.0, 5.0, -10.0, 30.0), (170.0, 5.0, 200.0, 30.0), (5.0, -9e300, 9.0, -5.0), (5.0, 121.0, 9.0, 9e300)]
)
def test_a_box_outside_is_not_drawn(box: tuple[float, float, float, float]) -> None:
    assert not annotated(frame_view(np.zeros((120, 160, 3), np.uint8), [track_view(box_xyxy=box)])).any()


def test_edges_outside_leave_no_line_at_the_border() -> None:
    box = (-1e300, -1e300, 80.0, 60.0)
    picture = annotated(frame_view(np.zeros((120, 160, 3), np.uint8), [track_view(box_xyxy=box)]))
    assert not picture[30:55, 0].any()
    assert picture[30:55, 80].any()


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (7.0, 1.0), (-1.0, 0.0)])
def test_progress_is_a_bar_of_that_share(progress: float, share: float) -> None:
    view = frame_view(np.zeros((300, 300, 3), np.uint8), [track_view(box_xyxy=(50, 50, 250, 250), progress=progress)])
    # One row above the box's own edge.
    assert abs(annotated(view)[248, 52:249].any(axis=1).mean() - share) < 0.02


def test_a_committed_track_has_a_full_bar() -> None:
    view = frame_view(np.zeros((300, 300, 3), np.uint8), [track_view(box_xyxy=(50, 50, 250, 250), crystallized=True)])
    assert annotated(view)[248, 52:249].any(axis=1).all()


def test_faces_that_are_not_identified_are_pixelated_and_others_are_not() -> None:
    pixels = drawn_pixels(200, 200)
    stranger = annotated(frame_view(pixels, [track_view(box_xyxy=(0, 0, 200, 200))]), privacy=Privacy.PIXELATE)
    known = track_view(box_xyxy=(0, 0, 200, 200), label=NAME, crystallized=True)
    seen = annotated(frame_view(pixels, [known]), privacy=Privacy.PIXELATE)
    inner = (slice(40, 180), slice(10, 190))
    assert len(np.unique(stranger[inner].reshape(-1, 3), axis=0)) <= 36
    assert (seen[inner] == pixels[..., ::-1][inner]).all()


def test_words() -> None:
    guessed = track_view(label=NAME)
    assert label_of(KNOWN, Privacy.PIXELATE) == f"{NAME} 0.50"
    assert label_of(guessed, Privacy.SHOW) == f"{NAME}? 0.50"
    assert label_of(guessed, Privacy.PIXELATE) == "#3"
    assert label_of(track_view(crystallized=True), Privacy.SHOW) == "#3 unknown"
    assert label_of(track_view(label=NAME, score=None), Privacy.SHOW) == f"{NAME}?"


@pytest.mark.parametrize("liveness", [None, *Liveness])
@pytest.mark.parametrize("privacy", Privacy)
def test_only_of_a_photograph_it_is_said_that_it_may_be_one(liveness: Liveness | None, privacy: Privacy) -> None:
    doubt = " photograph?" if liveness is Liveness.PHOTOGRAPH else ""
    for track in (KNOWN, track_view(label=NAME), track_view(), track_view(crystallized=True)):
        assert label_of(replace(track, liveness=liveness), privacy) == label_of(track, privacy) + doubt
    black = np.zeros((200, 400, 3), np.uint8)
    known = replace(KNOWN, box_xyxy=(60.0, 60.0, 120.0, 120.0))
    usual, doubted = (annotated(frame_view(black, [t])) for t in (known, replace(known, liveness=liveness)))
    assert np.array_equal(usual, doubted) is not bool(doubt)


def test_hidden_places_are_pixelated_and_have_no_box() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    frame = Frame(pixels, ColorOrder.BGR, 0, "door")
    view = FrameView(
        frame=frame, tracks=(), processed=True, gate_share=1.0, latency_ms=1.0, hidden_xyxy=((40, 30, 80, 80),)
    )
    shown, hidden = annotated(view), annotated(view, privacy=Privacy.PIXELATE)
    assert (shown == pixels).all()
    assert np.abs(np.diff(hidden[40:70, 50:70].astype(int), axis=1)).mean() < 20  # noise has 85
    assert (hidden[100:, 120:] == pixels[100:, 120:]).all()
