"""Windows: how many, which looks, what the check of the product says of them, and states from a fresh one."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.liveness.photo_check import PhotoCheck
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge_benchmarks.liveness import windows as module
from crystaledge_benchmarks.liveness.looks import Look
from crystaledge_benchmarks.liveness.sheet_motion import AttackKind
from crystaledge_benchmarks.liveness.windows import StateRecorder, Window, windows_of
from tests.benchmarks.liveness.builders import drawn_face, look_at
from tests.runtime.liveness.counted import UNCOMPARABLE, PlainReference, saying
from tests.support.step_graphs import HIDDEN, SIDE, tiny_step

FOUR = PhotoCheckConfig(looks=4, least_compared=2, threshold_px=2.0, quantile=1.0)


class Recorder:
    """Writes down which looks it was shown."""

    def states(self, looks: list[Look]) -> NDArray[np.float64]:
        return np.array([[look.time_s] for look in looks])


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unexplained motion is what a picture says."""
    PlainReference.pictures = []
    monkeypatch.setattr(module, "FaceReference", PlainReference)


@pytest.mark.parametrize(
    ("looks", "firsts"), [(0, []), (9, []), (10, [0]), (14, [0]), (15, [0, 5]), (25, [0, 5, 10, 15])]
)
@pytest.mark.usefixtures("said")
def test_each_window_begins_half_a_window_after_the_one_before(looks: int, firsts: list[int]) -> None:
    found = _windows([saying(1)] * looks, PhotoCheckConfig())
    assert [window.states[:, 0].tolist() for window in found] == [list(range(first, first + 10)) for first in firsts]


@pytest.mark.parametrize(("size", "firsts"), [(2, [0, 1, 2, 3]), (3, [0, 1, 2]), (5, [0])])
@pytest.mark.usefixtures("said")
def test_short_and_odd_windows_go_on_by_whole_looks(size: int, firsts: list[int]) -> None:
    found = _windows([saying(1)] * 5, PhotoCheckConfig(looks=size, least_compared=1))
    assert [window.states[0, 0] for window in found] == firsts


@pytest.mark.usefixtures("said")
def test_the_first_look_is_compared_with_and_not_compared() -> None:
    found = _windows([saying(value) for value in (100, 4, 9, 4, 4, 16)], FOUR)
    assert [window.motion_px for window in found] == [3.0, 4.0]
    assert [int(picture[0, 0, 0]) for picture in PlainReference.pictures] == [100, 4, 9, 4, 9, 4, 4, 16]


@pytest.mark.parametrize(("uncomparable", "motion_px"), [(0, 3.0), (1, 3.0), (2, None), (3, None)])
@pytest.mark.usefixtures("said")
def test_what_could_hardly_be_compared_has_no_motion(uncomparable: int, motion_px: float | None) -> None:
    values = [9] * (3 - uncomparable) + [UNCOMPARABLE] * uncomparable
    (found,) = _windows([saying(0), *map(saying, values)], FOUR)
    assert found.motion_px == motion_px


def test_a_window_has_the_motion_that_the_product_says() -> None:
    faces = [drawn_face(mouth_open=index % 4 / 4, side=100) for index in range(10)]
    check = PhotoCheck(PhotoCheckConfig())
    for face in faces:
        result = check.look(0, face)
    (found,) = _windows(faces, PhotoCheckConfig())
    assert result.motion_px is not None and result.motion_px > 0.5
    assert found.motion_px == result.motion_px


@pytest.mark.usefixtures("said")
def test_a_window_knows_whose_and_how_large_its_face_is() -> None:
    boxes = [(0.0, 0.0, 10.0, 10.0), (0.0, 0.0, 40.0, 10.0), (0.0, 0.0, 90.0, 10.0), (5.0, 5.0, 45.0, 45.0)]
    looks = [look_at(saying(1), float(index), box_xyxy=box) for index, box in enumerate(boxes)]
    recorder = cast(StateRecorder, Recorder())
    (found,) = windows_of(looks, recorder, FOUR, person="anna", kind=AttackKind.BENT)
    assert (found.person, found.kind) == ("anna", AttackKind.BENT)
    assert found.side_px == pytest.approx(25.0)


def test_states_are_the_networks_step_by_step_from_nothing(tiny_bundle_path: object) -> None:
    bundle = Bundle.open(str(tiny_bundle_path))
    faces = [np.full((12, 12, 3), (40 * index, 100, 200 - 30 * index), np.uint8) for index in range(5)]
    looks = [look_at(face, index / 10) for index, face in enumerate(faces)]
    recorder, preprocessor = StateRecorder(bundle), Preprocessor(bundle.manifest.preprocessing)
    hidden, expected = np.zeros((1, HIDDEN), np.float32), []
    for face in faces:
        seen = np.empty((1, 3, SIDE, SIDE), np.float32)
        preprocessor.into(seen[0], face, ColorOrder.BGR)
        hidden = tiny_step(seen, hidden)["hidden_next"]
        expected.append(hidden[0])
    found = recorder.states(looks)
    assert found.dtype == np.float64
    assert found == pytest.approx(np.array(expected), abs=1e-5)
    assert np.array_equal(recorder.states(looks), found)  # fresh each time


def _windows(faces: list[NDArray[np.uint8]], config: PhotoCheckConfig) -> list[Window]:
    looks = [look_at(face, float(index)) for index, face in enumerate(faces)]
    recorder = cast(StateRecorder, Recorder())
    return list(windows_of(looks, recorder, config, person="anna", kind=None))
