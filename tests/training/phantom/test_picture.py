"""Boxes follow their pixels: white squares are drawn, cut, mirrored and put together, and found again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge_training.phantom.picture import GREY, Picture, cut, mirrored, mosaic


def picture_with(*boxes: tuple[int, int, int, int], size_hw: tuple[int, int] = (60, 90), kind: int = 1) -> Picture:
    """Black, with white boxes."""
    pixels = np.zeros((*size_hw, 3), np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = 255
    return Picture(pixels, np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), kind, np.int64))


def white_box(pixels: NDArray[np.uint8]) -> list[int]:
    """Corners of what is nearly white, half-open."""
    rows, columns = np.nonzero(pixels.min(axis=2) > 128)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


class TestCut:
    @settings(deadline=None, max_examples=80)
    @given(
        st.tuples(st.integers(10, 60), st.integers(10, 30), st.integers(12, 20), st.integers(12, 20)),
        st.tuples(st.floats(20.0, 70.0), st.floats(15.0, 45.0)),
        st.floats(0.35, 2.0),
    )
    def test_a_white_box_is_where_its_box_is(
        self, box: tuple[int, int, int, int], centre: tuple[float, float], scale: float
    ) -> None:
        x, y, w, h = box
        window = cut(picture_with((x, y, x + w, y + h)), centre_xy=centre, scale=scale, size_hw=(64, 96))
        if not len(window.kind):  # cut away
            return
        (found,) = window.box_xyxy
        assert (found >= 0).all() and found[2] <= 96 and found[3] <= 64
        if (found[2:] - found[:2]).min() > 4.0:
            assert white_box(window.pixels) == pytest.approx(found.tolist(), abs=1.6)

    def test_is_of_the_wanted_size_with_its_point_in_the_middle(self) -> None:
        window = cut(picture_with((40, 20, 50, 30)), centre_xy=(45.0, 25.0), scale=1.5, size_hw=(40, 70))
        assert window.pixels.shape == (40, 70, 3)
        assert window.box_xyxy[0].tolist() == pytest.approx([27.5, 12.5, 42.5, 27.5])

    def test_outside_of_the_picture_is_grey(self) -> None:
        window = cut(picture_with(), centre_xy=(0.0, 0.0), scale=1.0, size_hw=(20, 20))
        assert (window.pixels[:8, :8] == GREY).all()
        assert (window.pixels[12:, 12:] == 0).all()

    @pytest.mark.parametrize(
        ("shift", "kinds"), [(0, [1]), (5, [1]), (7, [0]), (20, [])], ids=["whole", "half", "less", "gone"]
    )
    def test_what_is_left_of_a_face_decides_what_it_is(self, shift: int, kinds: list[int]) -> None:
        # The window's left border passes through a face of 10 px.
        window = cut(picture_with((30, 20, 40, 30)), centre_xy=(40.0 + shift, 25.0), scale=1.0, size_hw=(20, 20))
        assert window.kind.tolist() == kinds

    def test_an_ignored_region_stays_one(self) -> None:
        window = cut(picture_with((30, 20, 40, 30), kind=0), centre_xy=(35.0, 25.0), scale=1.0, size_hw=(20, 20))
        assert window.kind.tolist() == [0]


class TestMirrored:
    def test_boxes_go_along(self) -> None:
        before = picture_with((10, 5, 30, 25))
        after = mirrored(before)
        assert white_box(after.pixels) == after.box_xyxy[0].tolist() == [60, 5, 80, 25]
        assert before.box_xyxy[0].tolist() == [10, 5, 30, 25]

    def test_twice_is_nothing(self) -> None:
        before = picture_with((10, 5, 30, 25), (50, 40, 60, 50))
        again = mirrored(mirrored(before))
        np.testing.assert_array_equal(again.pixels, before.pixels)
        np.testing.assert_array_equal(again.box_xyxy, before.box_xyxy)


def test_a_mosaic_keeps_every_box_at_its_pixels() -> None:
    parts = [picture_with((4 + n, 6, 14 + n, 20), size_hw=(30, 40), kind=n % 2) for n in range(4)]
    whole = mosaic(parts)
    assert whole.pixels.shape == (60, 80, 3)
    assert whole.kind.tolist() == [0, 1, 0, 1]
    for x1, y1, x2, y2 in whole.box_xyxy.astype(int).tolist():
        assert (whole.pixels[y1:y2, x1:x2] == 255).all()
    assert (whole.pixels == 255).all(axis=2).sum() == sum((p.pixels == 255).all(axis=2).sum() for p in parts)
