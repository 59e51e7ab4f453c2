"""Where faces are, and whose track they continue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crystaledge.detections import Detections
from crystaledge.errors import UsageError
from crystaledge.locate import FixedBox, OneTrackPerSequence, crop
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame

SHARES = st.floats(0.0, 1.0)
SIDES = st.integers(1, 3000)


def frame(height: int = 4, width: int = 6, *, index: int = 0, sequence: str = "a") -> Frame:
    """A frame whose pixels all differ from each other, as far as uint8 allows."""
    pixels = (np.arange(height * width * 3) % 251).astype(np.uint8).reshape(height, width, 3)
    return Frame(pixels, ColorOrder.RGB, index, sequence)


def boxes(count: int) -> Detections:
    """So many detections."""
    return Detections(np.tile(np.array([[0, 0, 1, 1]], np.float32), (count, 1)), np.ones(count, np.float32))


@given(SIDES, SIDES, SHARES, SHARES, SHARES, SHARES)
def test_a_fixed_box_covers_its_share_and_stays_inside(
    height: int, width: int, x1: float, y1: float, x2: float, y2: float
) -> None:
    # Boxes thinner than a billionth are no wider than the rounding of a share itself.
    assume(x2 - x1 > 1e-9 and y2 - y1 > 1e-9)
    pixels = np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3))
    found = FixedBox((x1, y1, x2, y2)).locate(Frame(pixels, ColorOrder.RGB, 0, "a"))
    left, top, right, bottom = (int(v) for v in found.box_xyxy[0])
    assert 0 <= left <= x1 * width < right <= width or (left, x1) == (width, 1.0)
    assert 0 <= top <= y1 * height < bottom <= height or (top, y1) == (height, 1.0)
    assert right - 1 <= x2 * width <= right
    assert bottom - 1 <= y2 * height <= bottom
    assert 0 not in crop(pixels, found.box_xyxy[0]).shape


def test_the_whole_frame_by_default() -> None:
    shown = frame()
    found = FixedBox().locate(shown)
    assert found.box_xyxy.tolist() == [[0, 0, 6, 4]]
    assert found.score.tolist() == [1.0]
    assert (crop(shown.pixels, found.box_xyxy[0]) == shown.pixels).all()


@pytest.mark.parametrize(
    "share",
    [
        pytest.param((0.5, 0.0, 0.5, 1.0), id="no-width"),
        pytest.param((0.6, 0.0, 0.5, 1.0), id="reversed"),
        pytest.param((0.0, -0.1, 1.0, 1.0), id="below-zero"),
        pytest.param((0.0, 0.0, 1.0, 1.1), id="above-one"),
        pytest.param((0.0, 0.0, float("nan"), 1.0), id="nan"),
    ],
)
def test_a_box_that_is_none_is_refused(share: tuple[float, float, float, float]) -> None:
    with pytest.raises(UsageError, match="must be shares"):
        FixedBox(share)


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        pytest.param((1, 1, 3, 4), slice(1, 4), slice(1, 3), id="inside"),
        pytest.param((-1, -1, 2, 2), slice(0, 2), slice(0, 2), id="over-the-corner"),
        pytest.param((4, 2, 99, 99), slice(2, 4), slice(4, 6), id="over-the-other-corner"),
        pytest.param((0.4, 0.6, 2.6, 3.4), slice(1, 3), slice(0, 3), id="rounded"),
    ],
)
def test_a_crop_is_clamped_to_the_frame(box: tuple[float, ...], rows: slice, columns: slice) -> None:
    pixels = frame().pixels
    assert (crop(pixels, np.array(box, np.float32)) == pixels[rows, columns]).all()


def test_a_crop_outside_of_the_frame_is_empty() -> None:
    assert crop(frame().pixels, np.array([7, 0, 9, 2], np.float32)).size == 0


def test_a_crop_is_a_view() -> None:
    pixels = frame().pixels
    assert np.shares_memory(crop(pixels, np.array([1, 1, 3, 3], np.float32)), pixels)


def test_each_sequence_is_one_track_and_no_number_comes_twice() -> None:
    tracker = OneTrackPerSequence()
    names = ["a", "a", "b", "b", "a"]
    numbers = [int(tracker.update(frame(sequence=name), boxes(1))[0]) for name in names]
    assert numbers == [0, 0, 1, 1, 2]


def test_a_resumed_sequence_continues_its_track_and_nobody_else_gets_it() -> None:
    tracker = OneTrackPerSequence()
    tracker.resume({3: "a", 7: "b"})
    numbers = [int(tracker.update(frame(sequence=name), boxes(1))[0]) for name in ["new", "b", "a", "b"]]
    assert numbers == [8, 7, 3, 9]


def test_a_frame_without_a_face_has_no_track_and_keeps_the_sequence() -> None:
    tracker = OneTrackPerSequence()
    assert tracker.update(frame(), boxes(1)).tolist() == [0]
    assert tracker.update(frame(), boxes(0)).tolist() == []
    assert tracker.update(frame(), boxes(1)).tolist() == [0]


def test_two_faces_at_a_time_are_refused() -> None:
    with pytest.raises(UsageError, match="Frame 3 has 2 detections; one track per sequence allows one"):
        OneTrackPerSequence().update(frame(index=3), boxes(2))
