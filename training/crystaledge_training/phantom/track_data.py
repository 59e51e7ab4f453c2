"""What the track cell learns from: films seen through the trained detector, track by track."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from crystaledge.detection.held_image import grey, moved_of
from crystaledge.detection.noise import NoiseConfig
from crystaledge.detection.track_inputs import PATCH_PX, ROI_CELLS, level_of, patch_into, roi_of
from crystaledge.preprocessing.preprocessor import normalisation_table
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.phantom.detect import octaves_of
from crystaledge_training.phantom.motion_clips import MotionClip, MotionClips
from crystaledge_training.phantom.network import Detector

Array = NDArray[np.float32]


class TrackSequences(NamedTuple):
    """Tracks as the cell sees them, `M` of them over `T` steps, and what it should say."""

    roi: Tensor
    """float32 `(M, T, features * 9)`."""
    patch: Tensor
    """float16 `(M, T, 4, 48, 48)`."""
    box_delta: Tensor
    """float32 `(M, T, 4)`: from the box looked at to the true one."""
    velocity: Tensor
    """float32 `(M, T, 2)`: of the true centre to the next step, in true sizes."""
    is_face: Tensor
    """float32 `(M, T)`, 0 or 1."""


class Tracks(Dataset[TrackSequences]):
    """Batches of tracks in an order that is a function of (seed, epoch)."""

    def __init__(self, sequences: TrackSequences, *, batch: int, seed: int, epoch: int) -> None:
        self._sequences = sequences
        order = np.random.default_rng((0x7AC, seed, epoch)).permutation(len(sequences.is_face))
        self._batches = [order[i : i + batch] for i in range(0, len(order) - batch + 1, batch)] or [order]

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> TrackSequences:
        if not 0 <= index < len(self._batches):
            raise IndexError(index)
        rows = torch.from_numpy(self._batches[index])
        return TrackSequences(*(values[rows] for values in self._sequences))


def track_sequences(
    detector: Detector, clips: MotionClips, preprocessing: Preprocessing, *, count: int, octaves: int, seed: int
) -> TrackSequences:
    """Draw films and look at their tracks through the detector; equal seeds give equal tracks."""
    parts = list(_seen(detector, clips, preprocessing, count=count, octaves=octaves, seed=seed))
    return TrackSequences(*(torch.from_numpy(np.concatenate(values)) for values in zip(*parts, strict=True)))


def _seen(
    detector: Detector, clips: MotionClips, preprocessing: Preprocessing, *, count: int, octaves: int, seed: int
) -> Iterator[tuple[NDArray[np.generic], ...]]:
    table = normalisation_table(preprocessing)
    for number in range(count):
        random = np.random.default_rng((0xC11B, seed, number))
        clip = clips.draw(random)
        noisy = np.clip(clip.frames + random.normal(0.0, random.uniform(0.5, 5.0), clip.frames.shape), 0, 255)
        frames = noisy.astype(np.uint8)
        images = np.stack([table[c][frames[..., c]] for c in range(3)], axis=1)
        with torch.no_grad():
            levels = [detector.features(level).numpy() for level in octaves_of(torch.from_numpy(images), octaves)]
        yield _looks(clip, frames, images, levels)


def _looks(
    clip: MotionClip, frames: NDArray[np.uint8], images: Array, levels: list[Array]
) -> tuple[NDArray[np.generic], ...]:
    steps, tracks = clip.is_face.shape
    roi = np.empty((tracks, steps, levels[0].shape[1] * ROI_CELLS**2), np.float32)
    patch = np.empty((tracks, steps, 4, PATCH_PX, PATCH_PX), np.float32)
    motion = np.zeros(images.shape[2:], np.float32)
    for step in range(steps):
        if step:
            moved_of(np.abs(grey(frames[step]) - grey(frames[step - 1])), NoiseConfig().floor, motion)
        for track in range(tracks):
            box = clip.looked_at_xyxy[step, track]
            level = level_of(box, len(levels))
            roi[track, step] = roi_of(levels[level][step], box, level)
            patch_into(patch[track, step], images[step], motion, box)
    targets = _targets(clip)
    return roi, patch.astype(np.float16), *(np.swapaxes(target, 0, 1) for target in targets)


def _targets(clip: MotionClip) -> tuple[Array, Array, Array]:
    looked, true = clip.looked_at_xyxy, clip.true_xyxy
    sizes, true_sizes = looked[..., 2:] - looked[..., :2], true[..., 2:] - true[..., :2]
    centres, true_centres = (looked[..., :2] + looked[..., 2:]) / 2, (true[..., :2] + true[..., 2:]) / 2
    shift = (true_centres[:-1] - centres) / sizes
    delta = np.concatenate([shift, np.log(true_sizes[:-1] / sizes)], axis=-1)
    velocity = np.diff(true_centres, axis=0) / true_sizes[:-1]
    return delta.astype(np.float32), velocity.astype(np.float32), clip.is_face.astype(np.float32)
