"""dlib's weights as they come in a Python package: nothing is downloaded when a training runs."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

from crystaledge.errors import DataError
from crystaledge.files import sha256_of
from crystaledge_training.distillation.dlib_file import read_dlib_resnet
from crystaledge_training.distillation.landmarks import LandmarkFinder
from crystaledge_training.distillation.tutor import Tutor

# Looked up, never imported: importing it takes pkg_resources, which setuptools no longer has.
_PACKAGE = distribution("face-recognition-models")
_RESNET = "dlib_face_recognition_resnet_model_v1.dat"
_LANDMARKS = "shape_predictor_5_face_landmarks.dat"


def model_file(name: str) -> Path:
    """A file of the package.

    Raises:
        DataError: the package is there and the file is not.
    """
    path = Path(str(_PACKAGE.locate_file(f"face_recognition_models/models/{name}")))
    if not path.is_file():
        msg = f"The package face-recognition-models has no file {path}; install it again."
        raise DataError(msg)
    return path


def dlib_tutor() -> Tutor:
    """dlib's ResNet and its landmarks.

    Raises:
        DataError: a file is missing or damaged.
    """
    resnet, landmarks = model_file(_RESNET), model_file(_LANDMARKS)
    raw = resnet.read_bytes()
    return Tutor(
        network=read_dlib_resnet(raw, where=str(resnet)),
        find_landmarks=LandmarkFinder(landmarks),
        sha256=sha256_of((sha256_of(raw) + sha256_of(landmarks.read_bytes())).encode()),
    )
