"""The promise: what is cached is what a whole pass over the held image gives, whatever moved and wherever."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystaledge.detection import camera_view, held_image, windows
from crystaledge.detection.camera_view import BOX, LOGIT, Octave
from crystaledge.detection.codec import decode, logit_of
from crystaledge.detection.detector import Detector, DetectorConfig
from crystaledge.detection.windows import HALO_PX, Window
from tests.runtime.detection.networks import decision, detector, frame, texture
from tests.runtime.detection.stories import EVENTS, SIZES, Event, difference, play

TOLERANCE = 1e-5
STORIES = st.integers(1, 3).flatmap(
    lambda cameras: st.integers(2, 7).flatmap(
        lambda frames: st.lists(st.lists(EVENTS, min_size=frames, max_size=frames), min_size=cameras, max_size=cameras)
    )
)
"""One to three cameras, each with as many events."""


def stale_anywhere(watched: Detector, name: str) -> bool:
    return any(octave.stale.any() for octave in watched.view(name).octaves)


@settings(max_examples=25)
@given(STORIES, st.sampled_from(SIZES), st.integers(2, 5))
def test_without_verifying_every_cell_is_exact_after_every_frame(
    stories: list[list[Event]], size_hw: tuple[int, int], refresh_frames: int
) -> None:
    watched = detector(size_hw, DetectorConfig(verify=False, refresh_frames=refresh_frames))
    for looks in play(watched, stories):
        for name in looks:
            assert not stale_anywhere(watched, name)
            assert difference(watched.view(name), size_hw) <= TOLERANCE


@settings(max_examples=25)
@given(STORIES, st.sampled_from(SIZES), st.integers(2, 4))
def test_while_verifying_every_cell_is_exact_or_known_to_be_stale(
    stories: list[list[Event]], size_hw: tuple[int, int], verify_frames: int
) -> None:
    watched = detector(size_hw, DetectorConfig(verify_frames=verify_frames))
    for age, looks in enumerate(play(watched, stories)):
        for name, look in looks.items():
            assert difference(watched.view(name), size_hw) <= TOLERANCE
            assert not (stale_anywhere(watched, name) and (age % verify_frames == 0 or look.cut))
            shown = {tuple(box) for box in look.faces.box_xyxy.tolist()}
            assert shown <= settled_boxes(watched, name)


def settled_boxes(watched: Detector, name: str) -> set[tuple[float, ...]]:
    """Boxes of all cells that are not stale, cell by cell."""
    boxes: set[tuple[float, ...]] = set()
    for level, octave in enumerate(watched.view(name).octaves):
        logit = octave.maps[LOGIT][0].copy()
        logit[octave.stale] = -100.0
        found = decode(logit, octave.maps[BOX], threshold_logit=logit_of(decision().low_score))
        boxes |= {tuple(box) for box in (found.box_xyxy * np.float32(1 << level)).tolist()}
    return boxes


def test_verifying_leaves_stale_cells_and_saves_pixels() -> None:
    # Else the test above would be about nothing.
    story = [[Event("cut", 1), *(Event("patch", seed, boxes=1) for seed in range(3))]]
    costs, stale = {}, {}
    for verify in (False, True):
        watched = detector((128, 128), DetectorConfig(verify=verify))
        costs[verify] = sum(look["c"].recomputed for look in play(watched, story))
        stale[verify] = stale_anywhere(watched, "c")
    assert costs[True] < costs[False]
    assert stale == {False: False, True: True}


def test_windows_are_used_and_a_still_camera_costs_nothing() -> None:
    watched = detector((128, 128), DetectorConfig(verify=False))
    story = [Event("still", 0), Event("pixel", 3), Event("still", 0)]
    first, pixel, still = (look["c"] for look in play(watched, [story]))
    assert first.recomputed == 1.0
    assert 0.0 < pixel.recomputed < 0.5
    assert still.recomputed == still.changed == 0.0


def test_a_refresh_takes_over_what_was_below_the_threshold_while_tracks_explain_everything() -> None:
    watched = detector((128, 128), DetectorConfig(refresh_frames=3, verify_frames=100))
    everywhere = np.array([[0, 0, 128, 128]], np.float32)
    image = texture((128, 128), 0)
    for age in range(7):
        watched.look([frame(image + np.uint8(age % 3))], [everywhere])
        fresh = age % 3 == 0
        assert (watched.view("door").held.pixels == image + np.uint8(age % 3)).all() == fresh
        assert not (fresh and stale_anywhere(watched, "door"))
        assert difference(watched.view("door"), (128, 128)) <= TOLERANCE


# ---- planted faults: each is a mistake that one could make, and each must show -------------------------------------


def worst(config: DetectorConfig) -> float:
    """The worst difference over a story with everything in it."""
    watched = detector((128, 128), config)
    story = [Event(move, seed) for seed in range(12) for move in ("patch", "blink", "pixel")]
    return max(difference(watched.view("c"), (128, 128)) for _ in play(watched, [story]))


def test_the_story_is_told_right_where_nothing_is_wrong() -> None:
    assert worst(DetectorConfig(verify=False)) <= TOLERANCE


def _plant_short_windows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(windows, "HALO_PX", HALO_PX - 4)


def _plant_short_reach(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(windows, "HALO_CELLS", HALO_PX // 4 - 1)


def _plant_windows_that_trust_their_sides(patch: pytest.MonkeyPatch) -> None:
    def along(first_cell: int, size: int, image: int) -> tuple[int, int, int]:
        start = min(max(first_cell * 4 - HALO_PX, 0), image - size)
        return start, start // 4, (start + size) // 4

    patch.setattr(windows, "_along", along)


def _plant_windows_that_stand_out(patch: pytest.MonkeyPatch) -> None:
    def along(first_cell: int, size: int, image: int) -> tuple[int, int, int]:
        start = max(first_cell * 4 - HALO_PX, 0)
        return start, 0 if start == 0 else start // 4 + 4, min((start + size - HALO_PX) // 4, image // 4)

    patch.setattr(windows, "_along", along)


def _plant_shifted_paste(patch: pytest.MonkeyPatch) -> None:
    right = Octave.paste

    def paste(self: Octave, window: Window, maps: dict[str, camera_view.Array]) -> None:
        right(self, window, {name: np.roll(values, 1, axis=2) for name, values in maps.items()})

    patch.setattr(Octave, "paste", paste)


def _plant_shifted_change(patch: pytest.MonkeyPatch) -> None:
    right = windows.stale_cells
    patch.setattr(camera_view, "stale_cells", lambda blocks: right(np.roll(blocks, 1, axis=1)))


def _plant_shifted_halving(patch: pytest.MonkeyPatch) -> None:
    right = held_image.halved
    patch.setattr(held_image, "halved", lambda tensor: right(np.roll(tensor, 1, axis=1)))


def _plant_forgotten_octave(patch: pytest.MonkeyPatch) -> None:
    right = windows.stale_cells

    def only_the_first(changed: windows.Mask) -> windows.Mask:
        return right(changed) if len(changed) == 32 else np.zeros_like(changed)

    patch.setattr(camera_view, "stale_cells", only_the_first)


@pytest.mark.parametrize(
    "plant",
    [
        _plant_short_windows,
        _plant_short_reach,
        _plant_windows_that_trust_their_sides,
        _plant_windows_that_stand_out,
        _plant_shifted_paste,
        _plant_shifted_change,
        _plant_shifted_halving,
        _plant_forgotten_octave,
    ],
)
def test_a_planted_fault_shows(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    try:
        found = worst(DetectorConfig(verify=False))
    except (ValueError, IndexError):  # arrays that do not fit one another
        return
    assert found > 100 * TOLERANCE
