"""Asks a teacher about images, each once: landmarks, then embeddings of the aligned chip and of its mirror image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from crystaledge.files import sha256_of
from crystaledge.jsonio import dumps
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge.sources.images import read_image
from crystaledge_training.distillation.cache import LessonCache, Lessons
from crystaledge_training.distillation.geometry import CROP_SIDE, chip_transforms
from crystaledge_training.distillation.tutor import Tutor
from crystaledge_training.distillation.views import chips

_IMAGES_PER_CALL = 64
_CALLS_PER_SAVE = 16
_LAYOUT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Pupils:
    """Images that a teacher is asked about."""

    paths: Sequence[Path]
    pixels: NDArray[np.uint8]
    """Whole RGB crops, uint8 `(N, h, w, 3)`, as the student's views are cut from them."""
    spec: Preprocessing
    """What the crops were made with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a teacher is asked."""

    file: Path
    """Where its answers are kept."""
    device: torch.device
    progress: bool
    say: Callable[[str], None]


def ask(tutor: Tutor, pupils: Pupils, asking: Asking) -> Lessons:
    """What the teacher says of every image, in their order; known answers are taken from the file.

    Interrupted work is taken up where it was last saved.

    Raises:
        DataError: an image cannot be read, or the file is damaged.
    """
    digests = [sha256_of(path.read_bytes()) for path in pupils.paths]
    cache = LessonCache(asking.file, key=lesson_key(tutor, pupils.spec))
    missing = cache.missing(digests)
    if missing:
        asking.say(
            f"the teacher looks at {len(missing)} images; its landmarks and embeddings of these people are kept in "
            f"{asking.file}; deleting the run folder deletes them"
        )
    calls = [missing[i : i + _IMAGES_PER_CALL] for i in range(0, len(missing), _IMAGES_PER_CALL)]
    network, unseen = tutor.network.to(asking.device), 0
    for number, rows in enumerate(tqdm(calls, disable=not asking.progress, desc="teacher", leave=False), start=1):
        points, detected = _landmarks(tutor, [pupils.paths[row] for row in rows])
        unseen += int((~detected).sum())
        embedding = _embeddings(network, pupils.pixels[rows], points, asking.device)
        cache.add([digests[row] for row in rows], Lessons(points, embedding))
        if number % _CALLS_PER_SAVE == 0 or number == len(calls):
            cache.save(digests)
    if unseen:
        asking.say(f"{unseen} of {len(missing)} images show the teacher no face; it looked in their middle")
    return cache.of(digests)


def lesson_key(tutor: Tutor, spec: Preprocessing) -> str:
    """SHA-256 of what decides an answer beside the image."""
    return sha256_of(f"{_LAYOUT_VERSION} {tutor.sha256} {dumps(spec)}".encode())


def _landmarks(tutor: Tutor, paths: Sequence[Path]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    crop = Preprocessor(Preprocessing(size_hw=(round(CROP_SIDE), round(CROP_SIDE))))
    found = [tutor.find_landmarks(crop.resize(read_image(path), ColorOrder.BGR).copy()) for path in paths]
    return np.stack([f.points for f in found]), np.array([f.detected for f in found])


@torch.no_grad()
def _embeddings(
    network: torch.nn.Module, pixels: NDArray[np.uint8], points: NDArray[np.float32], device: torch.device
) -> NDArray[np.float32]:
    """Of each crop and its mirror image, `(N, 2, E)`."""
    frames = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2)
    to_crop = chip_transforms(torch.from_numpy(points).to(device))
    sides = [_embedded(network, frames, to_crop, mirrored=mirrored) for mirrored in (False, True)]
    embedding: NDArray[np.float32] = torch.stack(sides, dim=1).cpu().numpy()
    return embedding


def _embedded(network: torch.nn.Module, frames: Tensor, to_crop: Tensor, *, mirrored: bool) -> Tensor:
    flags = torch.full((len(frames),), mirrored, device=frames.device)
    embedding: Tensor = network(chips(frames, to_crop, flags)).float()
    return embedding


def whole_spec(spec: Preprocessing) -> Preprocessing:
    """The whole fitted box at the same scale, where `spec` would cut out its centre (as `load_frames`)."""
    height, width = (round(side / spec.center_share) for side in spec.size_hw)
    return replace(spec, size_hw=(height, width), center_share=1.0)
