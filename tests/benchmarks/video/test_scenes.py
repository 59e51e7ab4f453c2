"""Scenes ask what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge_benchmarks.video.scenes import ACTIVE, CORNER, FLICKER, PAN, STILL, Place, place_of, scenes_of
from tests.benchmarks.video.conftest import FILM, drawn_film


@pytest.fixture(scope="module")
def place() -> Place:
    """The drawn crowd, in which one frame shows most."""
    film = drawn_film(18)
    return place_of("crowd", film, lambda frame: range(2 if frame is film[5] else 1))


def test_the_still_frame_shows_most_and_the_large_one_nine(place: Place) -> None:
    assert place.still is place.film[5]
    assert place.wide.pixels.shape == (3 * FILM.size_hw[0], 3 * FILM.size_hw[1], 3)
    assert np.array_equal(place.wide.pixels[: FILM.size_hw[0], : FILM.size_hw[1]], place.film[1].pixels)


def test_the_active_scene_is_the_film(place: Place) -> None:
    assert list(scenes_of(place, 4)[ACTIVE]()) == list(place.film[:4])


def test_scenes_are_equal_every_time(place: Place) -> None:
    for make in scenes_of(place, 4).values():
        assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(make(), make(), strict=True))


def test_the_still_scene_is_noise_around_one_frame(place: Place) -> None:
    differences = np.stack([f.pixels.astype(int) - place.still.pixels for f in scenes_of(place, 20)[STILL]()])
    assert 1.8 < differences.std() < 2.2
    assert abs(differences.mean()) < 0.1


def test_flicker_is_a_gain_of_ten_per_cent_at_most(place: Place) -> None:
    level = float(place.still.pixels.mean())
    gains = np.array([frame.pixels.mean() / level for frame in scenes_of(place, 30)[FLICKER]()])
    assert 0.89 < gains.min() < 0.95
    assert 1.05 < gains.max() < 1.11


def test_only_the_corner_blinks(place: Place) -> None:
    frames = list(scenes_of(place, 10)[CORNER]())
    changed = np.abs(frames[9].pixels.astype(int) - frames[4].pixels).max(axis=2) > 20
    rows, columns = np.nonzero(changed)
    assert rows.max() < FILM.size_hw[0] // 8
    assert columns.max() < FILM.size_hw[1] // 8


def test_the_window_moves_four_pixels_a_frame_and_turns(place: Place) -> None:
    frames = [frame.pixels.astype(int) for frame in scenes_of(place, 100)[PAN]()]
    assert frames[0].shape == place.still.pixels.shape
    assert np.abs(frames[1][:, :-4] - frames[0][:, 4:]).mean() < 4.0
    assert np.abs(frames[1] - frames[0]).mean() > np.abs(frames[1][:, :-4] - frames[0][:, 4:]).mean()
    assert np.abs(frames[96] - frames[0]).mean() < 4.0  # 2 x 192 px, to and fro
