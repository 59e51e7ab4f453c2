"""A recorder's rules: motion boxes, and looks that are spared where everything is still."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from crystaledge.detections import Detections
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from crystaledge_benchmarks.video.dense_look import DenseLook
from crystaledge_benchmarks.video.motion_boxes import MotionBoxes
from crystaledge_benchmarks.video.motion_rules import MotionRules
from crystaledge_benchmarks.video.overlap import as_boxes

FACE = (20, 20, 60, 60)
PLAIN = np.full((200, 240, 3), 90, np.uint8)


class Sees:
    """A detector that always sees one face, until it does not."""

    def __init__(self) -> None:
        self.boxes = [FACE]

    def __call__(self, frame: Frame) -> Detections:
        return Detections(as_boxes(self.boxes), np.full(len(self.boxes), 0.9, np.float32))


def test_what_moved_is_boxed_in_pixels_of_the_frame() -> None:
    motion = MotionBoxes()
    assert motion(PLAIN).shape == (0, 4)
    (box,) = motion(_with_square(100, 60)).tolist()
    assert np.abs(np.array(box) - (100, 60, 130, 90)).max() <= 6.0  # dilated and blurred at half the size


def test_a_change_of_light_is_no_motion() -> None:
    motion = MotionBoxes()
    motion(PLAIN)
    assert motion(PLAIN + np.uint8(80)).shape == (0, 4)


def test_what_is_still_is_looked_at_now_and_then() -> None:
    rules = _rules()
    looks = []
    for index in range(160):
        rules.see(_frame(PLAIN, index))
        looks.append(rules.looks)
    assert looks[0] == 1  # begins with a scan
    assert looks[49] == 50  # moves, for all that is known
    assert looks[159] - looks[52] == 2
    assert rules.reported().tolist() == [list(FACE)]


def test_motion_elsewhere_ends_the_rest_and_motion_inside_does_not() -> None:
    rules = _rules()
    for index in range(60):
        rules.see(_frame(PLAIN, index))
    rested = rules.looks
    rules.see(_frame(_with_square(30, 30, side=14), 60))
    assert rules.looks == rested
    rules.see(_frame(_with_square(150, 100), 61))
    assert rules.looks == rested + 1


def test_what_is_not_seen_is_not_reported_and_forgotten_after_a_while() -> None:
    rules, sees = _rules_and_detector()
    rules.see(_frame(PLAIN, 0))
    sees.boxes = []
    for index in range(1, 40):
        rules.see(_frame(PLAIN, index))
        assert not len(rules.reported())
    assert rules.looks == 26  # patience, and then nothing is left to look for


def _rules() -> MotionRules:
    return _rules_and_detector()[0]


def _rules_and_detector() -> tuple[MotionRules, Sees]:
    sees = Sees()
    return MotionRules(cast(DenseLook, sees)), sees


def _with_square(x: int, y: int, side: int = 30) -> NDArray[np.uint8]:
    pixels = PLAIN.copy()
    pixels[y : y + side, x : x + side] = 220
    return pixels


def _frame(pixels: NDArray[np.uint8], index: int) -> Frame:
    return Frame(pixels, ColorOrder.BGR, index, "camera", index / 15)
