"""The detector alone says what the pipeline's detector says of a first frame."""

from __future__ import annotations

import numpy as np

from crystaledge.bundle import Bundle
from crystaledge.video.face_finder import FaceFinder
from crystaledge.video.lone_faces import NOBODY
from crystaledge.video.options import VideoOptions
from crystaledge_benchmarks.video.dense_look import DenseLook
from tests.benchmarks.video.conftest import drawn_film


def test_a_first_frame_is_seen_alike(detector_bundle: Bundle) -> None:
    look, compared = DenseLook(detector_bundle), 0
    for frame in drawn_film(3):
        finder = FaceFinder(detector_bundle, VideoOptions())
        (look_of_pipeline,) = finder.detector.look([frame], [NOBODY.box_xyxy])
        faces = look_of_pipeline.faces
        kept = faces.score >= look.decision.point.score
        scale = np.array(finder.detector.scale_xy(frame) * 2, np.float32)
        found = look(frame)
        np.testing.assert_allclose(found.box_xyxy, faces.box_xyxy[kept] / scale, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(found.score, faces.score[kept], rtol=1e-4)
        compared += len(found)
    assert compared
