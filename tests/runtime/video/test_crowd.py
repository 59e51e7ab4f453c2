"""The drawn place: the same at every run, and the truth is where the drawing is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crystaledge.errors import UsageError
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.scene.crowd import CrowdConfig, CrowdSource, _background

SHORT = CrowdConfig(frames=40, noise=0.0)


def test_equal_configurations_give_equal_films() -> None:
    noisy = replace(SHORT, frames=4, noise=2.0)
    for (one, truth), (other, same) in zip(CrowdSource(noisy).films(), CrowdSource(noisy).films(), strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(truth.box_xyxy, same.box_xyxy)
    first, other_seed = next(iter(CrowdSource(noisy))), next(iter(CrowdSource(replace(noisy, seed=8))))
    assert (first.pixels != other_seed.pixels).mean() > 0.1


def test_frames_are_rgb_and_have_a_clock() -> None:
    frames = list(CrowdSource(replace(SHORT, frames=3, size_hw=(96, 128), frames_per_s=10.0), sequence="hall"))
    assert [(frame.index, frame.sequence, frame.time_s) for frame in frames] == [
        (0, "hall", 0.0),
        (1, "hall", 0.1),
        (2, "hall", 0.2),
    ]
    assert {(frame.pixels.shape, frame.color) for frame in frames} == {((96, 128, 3), ColorOrder.RGB)}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_truth_is_where_the_drawing_differs_from_the_wall(number: int) -> None:
    config = replace(SHORT, frames=3)
    wall = np.clip(np.rint(_background(config)), 0, 255)
    for frame, truth in CrowdSource(config, only=number).films():
        assert truth.people == (number,)
        ((x1, y1, x2, y2),) = truth.box_xyxy
        rows, columns = np.nonzero((np.abs(frame.pixels - wall) > 12).any(axis=2))
        drawn = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        side = x2 - x1
        # Hair and the soft rim reach a little beyond the face; nothing is drawn elsewhere.
        np.testing.assert_allclose(drawn, [x1, y1, x2, y2], atol=0.3 * side)
        inside = (np.abs(frame.pixels - wall) > 12).any(axis=2)[round(y1) : round(y2), round(x1) : round(x2)]
        assert inside.mean() > 0.6


def test_everybody_leaves_and_comes_back() -> None:
    seen = [set(truth.people) for _, truth in CrowdSource(CrowdConfig(noise=0.0)).films()]
    for number in range(3):
        changes = np.diff([int(number in here) for here in seen])
        assert {1, -1} <= set(changes.tolist())


def test_boxes_belong_to_the_people_that_are_told_and_touch_the_picture() -> None:
    for frame, truth in CrowdSource(SHORT).films():
        assert truth.box_xyxy.shape == (len(truth.people), 4)
        assert truth.box_xyxy.dtype == np.float32
        height, width = frame.pixels.shape[:2]
        x1, y1, x2, y2 = truth.box_xyxy.T
        assert ((x2 > 0) & (y2 > 0) & (x1 < width) & (y1 < height)).all()


def test_where_nobody_moves_frames_differ_by_noise_alone() -> None:
    config = replace(SHORT, frames=3, still=True)
    first, *others = CrowdSource(config)
    assert all((frame.pixels == first.pixels).all() for frame in others)
    first, second, _ = CrowdSource(replace(config, noise=2.0))
    difference = second.pixels.astype(int) - first.pixels
    assert 0.5 < difference.std() < 4.0
    assert np.abs(difference).max() < 20


@pytest.mark.parametrize(
    "change", [{"people": 0}, {"frames": 0}, {"size_hw": (63, 320)}, {"frames_per_s": 0.0}, {"frames_per_s": -1.0}]
)
def test_what_cannot_be_filmed_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="A crowd needs"):
        replace(SHORT, **change)  # type: ignore[arg-type]
