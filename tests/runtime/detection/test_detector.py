"""The detector's bookkeeping: batches, several cameras, bad values, what is forgotten."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.detection.boxes import iou_matrix
from crystaledge.detection.camera_view import BOX, FEATURES, LOGIT, CameraView
from crystaledge.detection.codec import logit_of
from crystaledge.detection.detector import NO_BOXES, Detector, DetectorConfig
from crystaledge.detection.noise import NoiseConfig
from crystaledge.detection.spec import DetectionDecision, DetectionPoint
from crystaledge.detection.track_inputs import level_of
from crystaledge.detection.windows import HALO_CELLS
from crystaledge.engine.base import Engine
from crystaledge.engine.bound_step import BoundStep
from crystaledge.errors import ContractError, EngineError
from crystaledge.manifest.model import GraphSpec
from crystaledge.preprocessing.preprocessor import Preprocessor, normalisation_table
from tests.runtime.detection.networks import (
    LARGEST_BATCH,
    decision,
    detector,
    detector_spec,
    engines,
    frame,
    spec_of,
    texture,
)
from tests.runtime.detection.stories import difference
from tests.support.messages import message_of

Array = NDArray[np.float32]
SIZE_HW = (128, 128)
EXACT = DetectorConfig(verify=False)


class PlantedStep(BoundStep):
    """Says a few things whatever it is shown, and how often and in which batch it was asked."""

    def __init__(self, graph: GraphSpec, batch: int, maps: Mapping[str, Array], asked: list[int]) -> None:
        super().__init__(graph, batch)
        self._maps, self._asked = maps, asked

    def run(self) -> None:
        self._asked.append(self.batch)
        for name, values in self._maps.items():
            self.outputs[name][...] = values


class PlantedEngine(Engine):
    """Says a few things whatever it is shown."""

    name = "planted"

    def __init__(self, size_hw: tuple[int, int], maps: Mapping[str, Array]) -> None:
        super().__init__(detector_spec(size_hw))
        self.maps, self.asked = maps, list[int]()

    def _bind(self, batch: int) -> BoundStep:
        return PlantedStep(self.graph, batch, self.maps, self.asked)


def quiet_maps(size_hw: tuple[int, int]) -> dict[str, Array]:
    """No face anywhere."""
    shapes = {spec.name: spec.row_shape for spec in detector_spec(size_hw).outputs}
    return {name: np.full(shape, -9.0 if name == LOGIT else 0.0, np.float32) for name, shape in shapes.items()}


def planted(maps: Mapping[str, Array], size_hw: tuple[int, int] = (32, 32)) -> tuple[Detector, PlantedEngine]:
    engine = PlantedEngine(size_hw, maps)
    spec = Preprocessor(spec_of(size_hw))
    return Detector({size_hw: engine}, spec, decision(octaves=1), EXACT), engine


def test_more_windows_than_a_graph_takes_go_in_several_batches() -> None:
    watched = detector(SIZE_HW, EXACT)
    images = {f"camera{number}": texture(SIZE_HW, number).copy() for number in range(2 * LARGEST_BATCH + 1)}
    for spot in (None, (4, 4), (64, 64)):
        for number, image in enumerate(images.values()):
            if spot:
                image[spot[0] : spot[0] + 4, spot[1] : spot[1] + 4] = 255 * (number % 2)
        looks = watched.look([frame(image, name) for name, image in images.items()], [NO_BOXES] * len(images))
        assert len(looks) == len(images)
        assert all(difference(watched.view(name), SIZE_HW) <= 1e-5 for name in images)
        assert all((look.recomputed < 0.9) == (spot is not None) for look in looks)


@pytest.mark.parametrize(("cameras", "batches"), [(1, [1]), (2, [2]), (3, [4]), (4, [4]), (5, [4, 1]), (11, [4, 4, 4])])
def test_cameras_share_calls_in_the_smallest_bucket(cameras: int, batches: list[int]) -> None:
    watched, engine = planted(quiet_maps((32, 32)))
    watched.look([frame(texture((32, 32), n), str(n)) for n in range(cameras)], [NO_BOXES] * cameras)
    assert engine.asked == batches


@pytest.mark.parametrize("name", [LOGIT, BOX, FEATURES])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_and_not_kept(name: str, value: float) -> None:
    maps = quiet_maps((32, 32))
    maps[name][0, 3, 5] = value
    watched, _ = planted(maps)
    with pytest.raises(EngineError) as raised:
        watched.look([frame(texture((32, 32), 0))], [NO_BOXES])
    assert "not finite" in message_of(raised)
    octave = watched.view("door").octaves[0]
    assert octave.stale.all()
    assert not any(kept.any() for kept in octave.maps.values())


def test_faces_are_decoded_scaled_suppressed_and_sorted() -> None:
    maps = quiet_maps((32, 32))
    for column, score in ((1, 0.6), (2, 0.9), (6, 0.7)):
        maps[LOGIT][0, 3, column] = logit_of(score)
    maps[BOX][2:, 3] = np.log(3.0)
    watched, _ = planted(maps)
    faces = watched.look([frame(texture((32, 32), 0))], [NO_BOXES])[0].faces
    np.testing.assert_allclose(faces.score, [0.9, 0.7], rtol=1e-5)
    np.testing.assert_allclose(faces.box_xyxy, [[4, 8, 16, 20], [20, 8, 32, 20]], rtol=1e-5)


def test_boxes_of_coarser_octaves_are_in_pixels_of_the_whole_image() -> None:
    sizes = [(64, 64), (32, 32)]
    made = {size: PlantedEngine(size, quiet_maps(size)) for size in sizes}
    made[32, 32].maps[LOGIT][0, 2, 4] = 3.0
    watched = Detector(made, Preprocessor(spec_of((64, 64))), decision(octaves=2), EXACT)
    faces = watched.look([frame(texture((64, 64), 0))], [NO_BOXES])[0].faces
    np.testing.assert_allclose(faces.box_xyxy, [[32, 16, 40, 24]], rtol=1e-5)


def test_stale_cells_give_no_faces() -> None:
    maps = quiet_maps((32, 32))
    maps[LOGIT][...] = 3.0
    watched, _ = planted(maps)
    image = texture((32, 32), 0).copy()
    assert len(watched.look([frame(image)], [NO_BOXES])[0].faces.score) > 30
    octave = watched.view("door").octaves[0]
    octave.stale[:, :4] = True
    faces = watched._faces(watched.view("door"))
    assert len(faces.score)
    assert (faces.box_xyxy[:, :2].mean(axis=0) > 0).all()
    assert ((faces.box_xyxy[:, 0] + faces.box_xyxy[:, 2]) / 2 > 16).all()


def test_no_two_faces_overlap_more_than_is_allowed() -> None:
    watched = detector(SIZE_HW, EXACT)
    boxes = watched.look([frame(texture(SIZE_HW, 3))], [NO_BOXES])[0].faces.box_xyxy
    assert len(boxes) > 3
    overlaps = iou_matrix(boxes, boxes) - np.eye(len(boxes))
    assert overlaps.max() <= decision().suppression_iou


def test_a_forgotten_camera_starts_afresh() -> None:
    watched = detector(SIZE_HW, EXACT)
    image = texture(SIZE_HW, 0)
    assert [watched.look([frame(image)], [NO_BOXES])[0].recomputed for _ in range(2)] == [1.0, 0.0]
    watched.forget("door")
    watched.forget("never seen")
    assert watched.look([frame(image)], [NO_BOXES])[0].recomputed == 1.0


def test_closing_closes_the_engines() -> None:
    watched, engine = planted(quiet_maps((32, 32)))
    step = engine.bind(1)
    watched.close()
    assert engine.bind(1) is not step


def test_boxes_go_back_to_the_frame() -> None:
    watched = detector(SIZE_HW, EXACT)
    assert watched.scale_xy(frame(np.zeros((1080, 1920, 3), np.uint8))) == (128 / 1920, 72 / 1080)


@pytest.mark.parametrize("size_hw", [(128, 130), (120, 128), (8, 128)])
def test_a_size_that_does_not_halve_into_whole_cells_is_refused(size_hw: tuple[int, int]) -> None:
    with pytest.raises(ContractError) as raised:
        Detector(engines(SIZE_HW), Preprocessor(spec_of(size_hw)), decision(), EXACT)
    assert "whole multiples of 16 px" in message_of(raised)


def test_a_low_score_above_the_score_is_refused() -> None:
    with pytest.raises(ContractError) as raised:
        decision(low_score=0.71)
    assert "low score of 0.71 above its score of 0.7" in message_of(raised)
    point = DetectionPoint(score=0.7, precision=0.5, recall=0.5)
    assert isinstance(decision(low_score=0.7), DetectionDecision)
    assert decision().point == point


# ---- which stale cells are wanted -------------------------------------------------------------------------------


def view() -> CameraView:
    return CameraView(
        SIZE_HW, octaves=2, channels={LOGIT: 1}, table=normalisation_table(spec_of(SIZE_HW)), noise=NoiseConfig()
    )


def test_without_tracks_all_stale_cells_are_wanted() -> None:
    camera = view()
    camera.octaves[0].stale[5:] = False
    for wanted, octave in zip(camera.wanted(NO_BOXES), camera.octaves, strict=True):
        assert (wanted == octave.stale).all()
        assert wanted is not octave.stale


@pytest.mark.parametrize(
    "box",
    [
        (40, 40, 60, 64),
        (0, 0, 10, 10),
        (-30, -30, -5, -5),
        (120, 100, 170, 180),
        (300, 300, 320, 320),
        (-9, 50, 140, 60),
    ],
)
@pytest.mark.parametrize("stale_share", [1.0, 0.5])
def test_around_an_explained_face_its_centre_alone_is_wanted(box: tuple[int, ...], stale_share: float) -> None:
    camera = view()
    random = np.random.default_rng(0)
    for level, (octave, wanted) in enumerate(
        zip(camera.octaves, camera.wanted(np.array([box], np.float32)), strict=True)
    ):
        octave.stale[...] = random.uniform(size=octave.stale.shape) < stale_share
        wanted = camera.wanted(np.array([box], np.float32))[level]
        cell = 4 << level
        width, height = box[2] - box[0], box[3] - box[1]
        grown = (box[0] - width / 2, box[1] - height / 2, box[2] + width / 2, box[3] + 1.5 * height)
        x1, y1, x2, y2 = (side / cell for side in grown)
        middle_x, middle_y = round((box[0] + box[2]) / 2 / cell), round((box[1] + box[3]) / 2 / cell)
        own = level_of(np.array(box, np.float32), len(camera.octaves)) == level
        for row, column in np.ndindex(octave.stale.shape):
            around = near(row, y1, y2, HALO_CELLS) and near(column, x1, x2, HALO_CELLS)
            core = own and near(row, middle_y, middle_y, 2) and near(column, middle_x, middle_x, 2)
            assert wanted[row, column] == (octave.stale[row, column] and (core or not around))


def near(cell: int, low: float, high: float, margin: int) -> bool:
    return bool(np.floor(low) - margin <= cell < np.ceil(high) + margin)


def test_a_centre_is_wanted_though_another_track_explains_it() -> None:
    camera = view()
    small, large = (60, 60, 68, 68), (10, 10, 120, 120)
    wanted = camera.wanted(np.array([small, large], np.float32))[0]
    alone = camera.wanted(np.array([large, small], np.float32))[0]
    assert (wanted == alone).all()
    assert wanted[16, 16]
    assert not wanted[8, 8]
