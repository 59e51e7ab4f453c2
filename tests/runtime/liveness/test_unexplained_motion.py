"""Little of a photograph's motion is unexplained, however it is held; of a face that lives, much."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from crystaledge.liveness.registration import Grey, Registered, SmoothRegistration, monomials
from crystaledge.liveness.unexplained_motion import SIDE_PX, FaceReference, compared_grey
from tests.runtime.liveness.drawn import PEOPLE, SHEETS, SIDE, Picture, bent, face, held, lit, noisy

Warp = NDArray[np.float32]
PHOTOGRAPH_PX, LIVE_PX = 0.5, 1.2
"""What the drawn ones stay below and rise above; between them lies any threshold that makes sense for them."""


def moved_px(reference: Picture, picture: Picture) -> float:
    """Unexplained motion, in pixels of a crop of 96."""
    squared = FaceReference(reference).unexplained_px2(picture)
    assert squared is not None
    return math.sqrt(squared)


def test_nothing_of_the_same_picture_is_unexplained() -> None:
    assert moved_px(face(), face()) == 0.0


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("sheet", SHEETS)
def test_what_a_sheet_does_is_explained(person: int, sheet: str) -> None:
    assert moved_px(face(person), SHEETS[sheet](face(person))) < PHOTOGRAPH_PX


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize(
    ("mouth_open", "blink", "turn"),
    [
        pytest.param(0.5, 0.0, 0.0, id="mouth"),
        pytest.param(0.0, 1.0, 0.0, id="eyes"),
        pytest.param(0.0, 0.0, 0.5, id="head"),
    ],
)
@pytest.mark.parametrize("sheet", ["moved", "noisy"])
def test_what_a_face_does_is_not(person: int, mouth_open: float, blink: float, turn: float, sheet: str) -> None:
    living = face(person, mouth_open=mouth_open, blink=blink, turn=turn)
    assert moved_px(face(person), SHEETS[sheet](living)) > LIVE_PX


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize(
    ("rows", "axis"), [pytest.param((120, 172), 0, id="mouth"), pytest.param((60, 100), 1, id="eyes")]
)
def test_a_part_that_wanders_over_the_sheet_is_not_explained(person: int, rows: tuple[int, int], axis: int) -> None:
    photograph = face(person)
    all_of_it = np.roll(photograph, 8, axis=axis)
    pasted = photograph.copy()
    pasted[slice(*rows), 48:144] = all_of_it[slice(*rows), 48:144]
    assert moved_px(photograph, pasted) > LIVE_PX
    assert moved_px(photograph, all_of_it) < PHOTOGRAPH_PX


def test_somebody_else_is_not_explained() -> None:
    assert moved_px(face(0), face(7)) > 4


@given(
    degrees=st.floats(-8, 8),
    zoom=st.floats(0.93, 1.08),
    shift=st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)),
    roll=st.floats(-0.025, 0.025),
    factor=st.floats(0.75, 1.0),
    grey=st.floats(0, 5),
)
@settings(max_examples=25)
def test_however_it_is_held_a_photograph_is_one(
    degrees: float, zoom: float, shift: tuple[float, float], roll: float, factor: float, grey: float
) -> None:
    sheet = held(bent(face(), roll), degrees=degrees, zoom=zoom, shift=shift)
    assert moved_px(face(), noisy(lit(sheet, factor=factor, ramp=10), grey=grey)) < 1.0


@pytest.mark.parametrize("side", [48, 130, 400])
def test_it_is_measured_in_pixels_of_the_same_crop_whatever_the_camera(side: int) -> None:
    open_px = moved_px(face(side=side), face(side=side, mouth_open=0.5))
    assert open_px == pytest.approx(moved_px(face(), face(mouth_open=0.5)), rel=0.4)
    assert moved_px(face(side=side), held(face(side=side), degrees=4)) < open_px / 5


def test_a_patch_of_slope_that_moved_by_one_pixel_moved_by_one() -> None:
    # Waves pin the warp down; in their middle lies a slope of 12 grey levels per pixel, of which one cell moves.
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float64)
    grey = 128 + 50 * np.sin(x / 3) + 50 * np.sin(y / 3)
    grey[32:56, 32:56] = 12 * (x - 43.5)[32:56, 32:56] * 0.7 + 128
    still = grey.copy()
    grey[36:52, 36:52] += 12 * 0.7
    reference, picture = (np.repeat(np.clip(p, 0, 255).astype(np.uint8)[..., None], 3, axis=2) for p in (still, grey))
    # The noise floor takes its share: 8.4^2 / (8.4^2 + 10).
    assert moved_px(reference, picture) == pytest.approx(math.sqrt(8.4**2 / (8.4**2 + 10)), abs=0.1)


def test_each_size_begins_where_the_smaller_one_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    lay, starts, warps = SmoothRegistration.lay, [], []

    def noting(registration: SmoothRegistration, picture: Grey, start: Warp, *, steps: int) -> Registered:
        laid = lay(registration, picture, start, steps=steps)
        starts.append(start)
        warps.append(laid.warp)
        return laid

    monkeypatch.setattr(SmoothRegistration, "lay", noting)
    FaceReference(face()).unexplained_px2(held(face(), degrees=5, shift=(0.05, 0.0)))
    assert not starts[0].any()
    for number, side in enumerate((24, 48)):
        order = 2 if side == 48 else 1
        before = (monomials(side, 1) @ warps[number].reshape(2, -1).T).reshape(side, side, 2)
        begun = monomials(2 * side, order) @ starts[number + 1].reshape(2, -1).T
        twice = begun.reshape(side, 2, side, 2, 2).mean(axis=(1, 3))
        assert np.abs(before).max() > 1
        np.testing.assert_allclose(twice, 2 * before, atol=1e-3)


def laid_with(seen_pixels: int, *, seed: int = 0) -> Registered:
    """A picture of which so many pixels are seen, with any residual."""
    random = np.random.default_rng(seed)
    seen = np.zeros(SIDE_PX**2, bool)
    seen[random.permutation(SIDE_PX**2)[:seen_pixels]] = True
    residual = random.normal(0, 9, (SIDE_PX, SIDE_PX)).astype(np.float32)
    return Registered(np.zeros(12, np.float32), residual, seen.reshape(SIDE_PX, SIDE_PX))


def naive_px2(reference: Picture, laid: Registered) -> float:
    """The largest of the inner cells, pixel by pixel."""
    grey = np.pad(compared_grey(reference).astype(np.float64), 1, mode="reflect")
    largest = 0.0
    for top in range(8, 88, 8):
        for left in range(8, 88, 8):
            residual = energy = 0.0
            for y, x in ((top + i // 8, left + i % 8) for i in range(64)):
                if laid.seen[y, x]:
                    around = grey[y : y + 3, x : x + 3]
                    slope_x = float(np.array([1, 2, 1]) @ (around[:, 2] - around[:, 0])) / 8
                    slope_y = float(np.array([1, 2, 1]) @ (around[2] - around[0])) / 8
                    residual += float(laid.residual[y, x]) ** 2
                    energy += slope_x**2 + slope_y**2 + 10.0
            largest = max(largest, residual / max(energy, 1.0))
    return largest


@pytest.mark.parametrize("seen", [SIDE_PX**2, SIDE_PX**2 // 2])
def test_it_is_residual_over_gradient_energy_of_the_worst_inner_cell(
    seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid = laid_with(seen)
    monkeypatch.setattr(FaceReference, "_laid", lambda reference, picture: laid)
    assert FaceReference(face()).unexplained_px2(face()) == pytest.approx(naive_px2(face(), laid), rel=1e-4)


def test_of_less_than_half_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FaceReference, "_laid", lambda reference, picture: laid_with(SIDE_PX**2 // 2 - 1))
    assert FaceReference(face()).unexplained_px2(face()) is None


def test_a_face_that_came_much_nearer_cannot_be_compared() -> None:
    assert FaceReference(face(1)).unexplained_px2(held(face(1), zoom=1.5)) is None


def laid_by(cells_px2: NDArray[np.float64]) -> Registered:
    """A picture laid over `face()` in each of whose 12 x 12 cells so much is unexplained."""
    registered = laid_with(SIDE_PX**2)
    cells = FaceReference(face())._by_cell(registered)
    factors = np.sqrt(cells_px2 / cells).repeat(8, axis=0).repeat(8, axis=1)
    return Registered(registered.warp, (registered.residual * factors).astype(np.float32), registered.seen)


@pytest.mark.parametrize(
    ("large", "of_these_px", "all_others_px", "motion_px"),
    [
        pytest.param(49, 6.0, 0.1, 6.0, id="much-moved-in-less-than-half"),
        pytest.param(51, 6.0, 0.1, None, id="much-moved-in-more-than-half"),
        pytest.param(1, 1.6, 1.45, 1.6, id="little-moved-everywhere"),
        pytest.param(1, 1.6, 1.55, None, id="not-so-little"),
        pytest.param(100, 1.45, 9.0, 1.45, id="the-border-has-no-say"),
        pytest.param(100, 1.55, 0.1, None, id="nor-does-it-outvote"),
    ],
)
def test_where_half_of_the_inner_cells_moved_nothing_was_laid_over_anything(
    large: int, of_these_px: float, all_others_px: float, motion_px: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = np.full(100, all_others_px)
    inner[np.random.default_rng(3).permutation(100)[:large]] = of_these_px
    cells = np.full((12, 12), all_others_px)
    cells[1:-1, 1:-1] = inner.reshape(10, 10)
    laid = laid_by(cells**2)
    monkeypatch.setattr(FaceReference, "_laid", lambda reference, picture: laid)
    found = FaceReference(face()).unexplained_px2(face())
    assert found == (None if motion_px is None else pytest.approx(motion_px**2, rel=1e-3))


@pytest.mark.parametrize("person", PEOPLE)
def test_a_face_on_its_head_cannot_be_laid_over_itself(person: int) -> None:
    photograph = face(person)
    assert FaceReference(photograph).unexplained_px2(np.ascontiguousarray(photograph[::-1])) is None


@pytest.mark.parametrize("side", [1, 33, SIDE_PX, SIDE])
def test_what_is_compared_is_grey_of_96_pixels_whatever_the_order_of_colours(side: int) -> None:
    picture = face(side=side)
    grey = compared_grey(picture)
    assert grey.shape == (SIDE_PX, SIDE_PX)
    assert grey.dtype == np.float32
    np.testing.assert_allclose(compared_grey(np.ascontiguousarray(picture[..., ::-1])), grey, atol=1e-4)


def test_all_three_colours_count_alike() -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    for channel in range(3):
        picture[..., channel] = 90 * channel
        assert compared_grey(picture) == pytest.approx(picture[0, 0].mean(), abs=1e-4)


PICTURES = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(
    lambda size: hnp.arrays(np.uint8, (*size, 3), elements=st.integers(0, 255))
)


@given(PICTURES, PICTURES)
@settings(max_examples=40)
def test_any_two_pictures_give_a_number_or_nothing(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> None:
    motion = FaceReference(first).unexplained_px2(second)
    assert motion is None or (math.isfinite(motion) and motion >= 0)
