"""The port beside dlib itself, with the weights of the package; not run where they are not installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge_training.distillation.geometry import chip_transforms
from crystaledge_training.distillation.tutor import Teacher, Tutor, load_tutor
from crystaledge_training.distillation.views import chips
from tests.training.distillation.builders import CENTRED

dlib: Any = pytest.importorskip("dlib", reason="not run: dlib-bin is not installed")
try:
    distribution("face-recognition-models")
except PackageNotFoundError:
    pytest.skip("not run: face-recognition-models is not installed", allow_module_level=True)

# Imported once it is known to be possible.
from crystaledge_training.distillation import teacher_weights  # noqa: E402


@pytest.fixture(scope="module")
def tutor() -> Tutor:
    return load_tutor(Teacher.DLIB_RESNET)


def smooth_noise(side: int, *, seed: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    soft = cv2.GaussianBlur(noise, (0, 0), 4.0).astype(np.float32)
    stretched: NDArray[np.uint8] = np.clip((soft - 127.0) * 8.0 + 127.0, 0, 255).astype(np.uint8)
    return stretched


def test_the_port_says_what_dlib_says(tutor: Tutor) -> None:
    dlibs = dlib.face_recognition_model_v1(str(teacher_weights.model_file(teacher_weights._RESNET)))
    for seed in range(3):
        chip = smooth_noise(150, seed=seed)
        expected = torch.tensor(list(dlibs.compute_face_descriptor(chip)))
        with torch.no_grad():
            found = tutor.network(torch.from_numpy(chip).permute(2, 0, 1)[None].float())[0]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0.0)
        assert float(expected.norm()) > 0.5


def test_a_chip_is_cut_as_dlib_cuts_it() -> None:
    image = smooth_noise(128, seed=7)
    points = [dlib.point(round(float(x)), round(float(y))) for x, y in CENTRED]
    shape = dlib.full_object_detection(dlib.rectangle(20, 20, 108, 108), points)
    expected = torch.from_numpy(dlib.get_face_chip(image, shape, size=150, padding=0.25)).permute(2, 0, 1).float()
    to_crop = chip_transforms(torch.from_numpy(CENTRED)[None])
    frame = torch.from_numpy(image).permute(2, 0, 1)[None]
    found = chips(frame, to_crop, torch.tensor([False]))[0]
    inner = (slice(None), slice(20, 130), slice(20, 130))  # dlib paints what lies outside black
    assert float((found - expected)[inner].abs().mean()) < 6.0  # less than half a pixel of this noise
    assert float((found.flip(2) - expected)[inner].abs().mean()) > 20.0


class TestLandmarks:
    def test_a_crop_without_a_face_is_searched_in_its_middle(self, tutor: Tutor) -> None:
        found = tutor.find_landmarks(np.full((128, 128, 3), 127, np.uint8))
        assert not found.detected
        assert found.points.shape == (5, 2)
        assert found.points.dtype == np.float32
        # Right eye's corners lie to the right of the left eye's, and the nose below both.
        assert found.points[:2, 0].min() > found.points[2:4, 0].max()
        assert found.points[4, 1] > found.points[:4, 1].max()
        assert 24.0 < found.points.mean() < 104.0

    def test_repeat(self, tutor: Tutor) -> None:
        crop = smooth_noise(128, seed=1)
        assert np.array_equal(tutor.find_landmarks(crop).points, tutor.find_landmarks(crop).points)


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(DataError, match="has no file"):
        teacher_weights.model_file("none.dat")
