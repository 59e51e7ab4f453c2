"""Labels: inside the picture wherever they are put, readable where there is room."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import crystaledge.outputs.text as text_module
from crystaledge.outputs.text import printable, put_label

COLOUR = (10, 200, 30)


def inked(height: int, width: int, text: str, corner: tuple[int, int], scale: float) -> NDArray[np.bool_]:
    """Where a label changed a picture of a colour that no label has."""
    picture = np.full((height, width, 3), 77, np.uint8)
    put_label(picture, text, corner, COLOUR, scale=scale)
    changed: NDArray[np.bool_] = (picture != 77).any(axis=2)
    return changed


def test_a_label_stands_above_its_corner() -> None:
    changed = inked(100, 200, "Ada", (20, 60), 0.5)
    ys, xs = np.nonzero(changed)
    assert xs.min() == 20
    assert ys.max() == 59
    assert changed[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1].all()  # a full tile


@pytest.mark.parametrize("corner", [(-50, -50), (500, 500), (-50, 500), (500, -50), (195, 3)])
def test_a_label_outside_is_moved_inside_whole(corner: tuple[int, int]) -> None:
    assert inked(100, 200, "Ada", corner, 0.5).sum() == inked(100, 200, "Ada", (20, 60), 0.5).sum()


def test_a_label_too_wide_becomes_smaller_and_then_shorter() -> None:
    free = inked(100, 2000, "Ada Example 0.93", (0, 90), 1.5)
    smaller = inked(100, 150, "Ada Example 0.93", (0, 90), 1.5)
    shorter = inked(100, 40, "Ada Example 0.93", (0, 90), 1.5)
    heights = [np.flatnonzero(changed.any(axis=1)).size for changed in (free, smaller, shorter)]
    assert heights[0] > heights[1] >= heights[2] >= 10
    assert shorter.any()


def test_where_no_letter_has_room_nothing_is_drawn() -> None:
    assert not inked(3, 200, "Ada", (0, 3), 0.5).any()
    assert not inked(100, 3, "Ada", (0, 50), 0.5).any()
    assert not inked(100, 200, "", (0, 50), 0.5).any()


def test_letters_contrast_with_their_tile() -> None:
    for colour in ((0, 94, 213), (66, 228, 240)):
        picture = np.full((60, 120, 3), 77, np.uint8)
        put_label(picture, "Ada", (10, 40), colour, scale=0.8)
        tile = picture[(picture != 77).all(axis=2)].astype(int)
        assert np.abs(tile.sum(axis=1) - sum(colour)).max() > 250


@given(
    st.text(max_size=200),
    st.integers(1, 90),
    st.integers(1, 90),
    st.tuples(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9)),
    st.floats(0.1, 8),
)
def test_any_text_anywhere(text: str, height: int, width: int, corner: tuple[int, int], scale: float) -> None:
    inked(height, width, text, corner, scale)


def test_what_cannot_be_printed_is_left_out() -> None:
    assert printable("A\nd\ta\x1b\ud800") == "Ada"
    assert len(printable("A" * 500)) == 80


def test_an_opencv_with_ascii_fonts_gets_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "_DRAWS_UNICODE", False)
    assert printable("Zoë 张") == "Zoe ?"
    monkeypatch.setattr(text_module, "_DRAWS_UNICODE", True)
    assert printable("Zoë 张") == "Zoë 张"
