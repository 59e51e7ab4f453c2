"""The detector's faults are of the size that is written down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crystaledge.detections import Detections
from crystaledge_benchmarks.tracking.paths import Kind, Paths, times
from crystaledge_benchmarks.tracking.peers import iou
from crystaledge_benchmarks.tracking.scenes import VISIBLE_SHARE, Scene, scene_of, visible_share


@pytest.fixture(scope="module")
def scene() -> Scene:
    return scene_of(Kind.TURNING, 1)


def test_a_scene_is_its_seed(scene: Scene) -> None:
    again, other = scene_of(Kind.TURNING, 1), scene_of(Kind.TURNING, 2)
    assert (again.det_box == scene.det_box).all() and (again.det_embedding == scene.det_embedding).all()
    assert other.det_box.shape != scene.det_box.shape or not (other.det_box == scene.det_box).all()


def test_detections_keep_the_contract(scene: Scene) -> None:
    Detections(scene.det_box, scene.det_score)
    assert (np.diff(scene.det_frame) >= 0).all() and (np.diff(scene.gt_frame) >= 0).all()
    assert scene.det_frame.max() < len(scene.time_s) == len(times())
    np.testing.assert_allclose(np.linalg.norm(scene.det_embedding, axis=1), 1.0)


def test_most_faces_are_found_and_some_detections_are_false(scene: Scene) -> None:
    found = false = 0
    for frame in range(len(scene.time_s)):
        overlaps = iou(scene.gt_box[scene.gt_frame == frame], scene.det_box[scene.det_frame == frame])
        found += int((overlaps.max(axis=1, initial=0) > 0.5).sum())
        false += int((overlaps.max(axis=0, initial=0) < 0.3).sum())
    assert 0.85 < found / len(scene.gt_frame) < 0.99
    assert 0.01 < false / len(scene.det_frame) < 0.1


def test_dropped_frames_are_gone_from_everything() -> None:
    scene = scene_of(Kind.DROPPED, 0)
    assert 0.5 * len(times()) < len(scene.time_s) < 0.9 * len(times())
    assert 0.2 < np.diff(scene.time_s).max() < 0.8
    assert scene.gt_frame.max() < len(scene.time_s)


def test_a_face_behind_a_nearer_one_or_a_pillar_is_hidden() -> None:
    centre = np.zeros((3, 1, 2)) + np.array([[[200.0, 200.0]], [[200.0, 200.0]], [[600.0, 200.0]]])
    paths = Paths(centre, np.array([[80.0], [120.0], [80.0]]), np.array([[600.0, 0.0, 900.0, 720.0]]))
    assert visible_share(paths).ravel().tolist() == [0.0, 1.0, 0.5]
    outside = Paths(np.array([[[0.0, 300.0]]]), np.array([[80.0]]))
    assert visible_share(outside).tolist() == [[0.5]]
    assert VISIBLE_SHARE < 0.5


def test_embeddings_stay_with_us(scene: Scene, tmp_path: Path) -> None:
    scene.save(tmp_path / "scene.npz")
    kept = np.load(tmp_path / "scene.npz")
    assert "det_embedding" not in kept.files
    assert (kept["det_box"] == scene.det_box).all() and (kept["gt_person"] == scene.gt_person).all()
