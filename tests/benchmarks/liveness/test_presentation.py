"""A held photograph against three-dimensional geometry, the noise of its sensor, and its way through a codec."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge_benchmarks.liveness import presentation
from crystaledge_benchmarks.liveness.presentation import present, sheet_places
from crystaledge_benchmarks.liveness.sheet_motion import AttackKind, SheetMotion
from tests.benchmarks.liveness.builders import drawn_face, held, photograph_of, plain

Array = NDArray[np.float64]
PHOTOGRAPH = photograph_of(drawn_face(side=90))
"""Its face is 60 px large, in the middle."""
SIDE, CENTRE = PHOTOGRAPH.side_px, 45.0
FOCAL = 4.0 * SIDE
TURNS = {
    "rolled": held(roll_rad=0.2),
    "turned": held(yaw_rad=0.3),
    "nodding": held(pitch_rad=-0.25),
    "nearer": held(distance=0.9),
    "all at once": held(shift_x=0.1, shift_y=-0.05, roll_rad=0.1, yaw_rad=-0.2, pitch_rad=0.15, distance=1.1),
}


def places_of(motion: SheetMotion, x: Array, y: Array) -> Array:
    """Places `(N, 2)` of the photograph, from its face's centre, that pixels show, given from there as well."""
    found = sheet_places(x + CENTRE, y + CENTRE, PHOTOGRAPH, motion, 0)
    return np.stack([np.asarray(each, np.float64) - CENTRE for each in found], axis=-1)


def seen(motion: SheetMotion, points: Array) -> Array:
    """Pixels `(N, 2)` from the face's centre at which a camera sees points `(N, 3)` that turn with the sheet."""
    roll, yaw, pitch = motion.roll_rad[0], motion.yaw_rad[0], motion.pitch_rad[0]
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    placed = []
    for point in points:
        x, y, z = about_z @ (about_y @ (about_x @ point))
        depth = z + FOCAL * motion.distance[0]
        placed.append((FOCAL * x / depth + motion.shift_x[0] * SIDE, FOCAL * y / depth + motion.shift_y[0] * SIDE))
    return np.array(placed)


def sheet_grid() -> Array:
    """Points `(N, 3)` of a flat sheet around the face."""
    along = np.linspace(-30.0, 30.0, 7)
    return np.array([(x, y, 0.0) for y in along for x in along])


def test_what_does_not_move_is_where_it_was() -> None:
    grid = sheet_grid()[:, :2]
    assert places_of(held(), *grid.T) == pytest.approx(grid, abs=1e-4)


def test_a_shift_is_a_shift() -> None:
    grid = sheet_grid()[:, :2]
    found = places_of(held(shift_x=0.1, shift_y=-0.2), *grid.T)
    assert found == pytest.approx(grid - SIDE * np.array([0.1, -0.2]), abs=1e-4)


def test_a_roll_is_a_rotation_and_nearer_is_larger() -> None:
    angle = np.deg2rad(20)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    grid = sheet_grid()[:, :2]
    assert places_of(held(roll_rad=float(angle)), *grid.T) == pytest.approx(grid @ matrix, abs=1e-4)
    assert places_of(held(distance=0.8), *grid.T) == pytest.approx(0.8 * grid, abs=1e-4)


@pytest.mark.parametrize("turn", TURNS)
def test_a_tilted_plane_is_seen_in_perspective(turn: str) -> None:
    grid = sheet_grid()
    assert places_of(TURNS[turn], *seen(TURNS[turn], grid).T) == pytest.approx(grid[:, :2], abs=1e-3)


@pytest.mark.parametrize("bend", [0.25, -0.25, 0.8])
def test_bending_keeps_the_length_along_the_sheet(bend: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presentation, "_FOCAL_SIDES", 1e6)  # no perspective
    arcs = np.linspace(-30.0, 30.0, 13)
    x, y = SIDE / abs(bend) * np.sin(arcs * abs(bend) / SIDE), np.full(13, 7.0)
    found = places_of(held(bend=bend), x, y)
    assert np.diff(found[:, 0]) == pytest.approx(np.full(12, 5.0), abs=1e-3)
    assert found[:, 1] == pytest.approx(y, abs=1e-3)


@pytest.mark.parametrize("bend", [0.4, -0.4, 0.8, -0.8])
def test_what_is_bent_away_is_seen_smaller(bend: float) -> None:
    motion, radius = held(bend=bend), SIDE / bend
    arcs = np.array([(x, y) for y in (-20.0, 0.0, 20.0) for x in (-30.0, -10.0, 0.0, 25.0)])
    angle = arcs[:, 0] / radius
    rolled = np.stack([radius * np.sin(angle), arcs[:, 1], radius * (1.0 - np.cos(angle))], axis=1)
    found = places_of(motion, *seen(motion, rolled).T)
    flat = places_of(held(), *seen(motion, rolled).T)
    assert np.abs(found - arcs).max() < 0.1 * np.abs(flat - arcs).max()


def test_a_sheet_that_is_hardly_bent_is_flat() -> None:
    grid = sheet_grid()[:, :2]
    for bend in (1e-9, 1e-6, -1e-6):
        assert places_of(held(bend=bend), *grid.T) == pytest.approx(grid, abs=1e-3)


def test_beyond_the_bend_there_is_still_a_place() -> None:
    found = places_of(held(bend=1.5), np.array([-400.0, 400.0]), np.zeros(2))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("kind", AttackKind)
def test_a_seed_is_a_film(kind: AttackKind) -> None:
    first, again, other = (np.array(_film(kind, seed=seed)) for seed in (1, 1, 2))
    assert first.shape == (5, 90, 90, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_on_a_stand_nothing_moves_and_in_a_hand_it_does() -> None:
    change = {kind: _slow_change(_film(kind, seed=3, frames=24)) for kind in (AttackKind.STAND, AttackKind.HAND)}
    assert change[AttackKind.STAND] < 1.5 < 3.0 < change[AttackKind.HAND]


def test_the_sensor_is_as_noisy_as_is_written() -> None:
    spreads = [_spread(present(plain(128), AttackKind.STAND, 2, np.random.default_rng(s))[0]) for s in range(60)]
    brightest = np.sqrt(4.0**2 + 0.02 * 4.0 * 255.0)
    assert 1.0 <= min(spreads) < 2.0 < 4.0 < max(spreads) < brightest + 0.1


def test_bright_light_is_noisier() -> None:
    for seed in range(5):
        dark, bright = (
            _spread(present(plain(grey), AttackKind.STAND, 1, np.random.default_rng(seed))[0]) for grey in (20, 200)
        )
        assert bright > dark


def test_the_light_flickers_by_a_hundredth() -> None:
    means = np.array([frame.mean() for frame in present(plain(150), AttackKind.STAND, 300, np.random.default_rng(0))])
    assert means.std() / means.mean() == pytest.approx(0.01, rel=0.2)


def test_printing_blurs_large_photographs_more() -> None:
    edge = np.repeat(np.array([60, 190], np.uint8), 160)[None, :, None].repeat(320, axis=0).repeat(3, axis=2)
    sharp = np.ascontiguousarray(edge[::4, ::4])
    widths = [
        max(_edge_px(present(photograph_of(picture), AttackKind.STAND, 20, np.random.default_rng(s))) for s in range(4))
        for picture in (edge, sharp)
    ]
    assert widths[0] > widths[1]


@pytest.mark.parametrize(("size_hw", "expected"), [((48, 64), (48, 64)), ((49, 65), (48, 64))])
def test_a_codec_gives_as_many_frames_of_even_sides(size_hw: tuple[int, int], expected: tuple[int, int]) -> None:
    film = present(plain(128, size_hw=size_hw), AttackKind.COMPRESSED, 7, np.random.default_rng(0))
    assert [frame.shape for frame in film] == [(*expected, 3)] * 7


def test_a_codec_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presentation, "_CODEC", "zzzz")
    with pytest.raises(DataError, match="The codec gave 0 of 3 frames; OpenCV writes no zzzz here"):
        present(plain(128), AttackKind.COMPRESSED, 3, np.random.default_rng(0))


def _film(kind: AttackKind, *, seed: int, frames: int = 5) -> list[NDArray[np.uint8]]:
    return present(PHOTOGRAPH, kind, frames, np.random.default_rng(seed))


def _slow_change(film: list[NDArray[np.uint8]]) -> float:
    """Grey levels between the means of the first and the last third, without noise and flicker."""
    third = len(film) // 3
    early, late = (np.mean(part, axis=0) for part in (film[:third], film[-third:]))
    return float(np.abs(early / early.mean() - late / late.mean()).mean() * 128.0)


def _spread(frame: NDArray[np.uint8]) -> float:
    return float(frame.std())


def _edge_px(film: list[NDArray[np.uint8]]) -> float:
    """Height of an upright edge over its steepest slope."""
    profile = np.mean(film, axis=(0, 1, 3))
    return float((profile[-5:].mean() - profile[:5].mean()) / np.diff(profile).max())
