"""What a frozen encoder sees in many views of every training image: the material that a state is taught with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.data.augment import Normalise
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.distillation.faults import KINDS, photograph
from crystaledge_training.distillation.geometry import resample
from crystaledge_training.distillation.views import ViewConfig, jittered_transforms
from crystaledge_training.mnemosyne.wide import WideMnemosyne
from crystaledge_training.mnemosyne.wide_encoder import FEATURES

_ROWS = 256
"""A multiple of `KINDS`, so that every call has every kind of fault."""
MILD = ViewConfig(fault_share=0.0)
LIGHTLY_SPOILT = ViewConfig(fault_share=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewCounts:
    """How often every image is looked at."""

    plain: int = 2
    """The first as inference sees it, the others jittered and mirrored."""
    light: int = 3
    """A little out of focus, small, dark or covered."""
    severe: int = 2
    """So much so that hardly anybody could tell who it is. Of these alone a state would learn to doubt everything."""

    @property
    def total(self) -> int:
        """All views of an image."""
        return self.plain + self.light + self.severe


@dataclass(frozen=True, slots=True)
class Views:
    """Features of all views of all images."""

    features: Tensor
    """float32 `(V, N, 56)`: plain views first, then bad ones."""
    plain: int
    person: NDArray[np.int64]
    """`(N,)`, images of one person consecutive, numbers from 0."""


@torch.no_grad()
def view_features(
    network: WideMnemosyne, store: FrameStore, spec: Preprocessing, counts: ViewCounts, *, seed: int
) -> Views:
    """Look at every image of a store of whole crops.

    Args:
        network: in inference mode; runs where it is.
    """
    features = torch.empty(counts.total, len(store.pixels), FEATURES)
    normalise = Normalise(spec.mean, spec.std).to(network.device)
    devices = [network.device] if network.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        for start in range(0, len(store.pixels), _ROWS):
            frames = torch.from_numpy(store.pixels[start : start + _ROWS]).permute(0, 3, 1, 2).to(network.device)
            for view in range(len(features)):
                faces = _seen(frames.float(), spec, view, counts)
                normal = normalise(faces * (255.0 * spec.scale)).contiguous(memory_format=torch.channels_last)
                found = network.encoder(normal)[0]
                features[view, start : start + len(frames)] = found.cpu()
    return Views(features, counts.plain, store.person)


def _seen(frames: Tensor, spec: Preprocessing, view: int, counts: ViewCounts) -> Tensor:
    """One view of whole crops in [0, 255], in [0, 1]."""
    side, share = spec.size_hw[0], spec.center_share
    if view == 0:
        top, left = ((whole - side) // 2 for whole in frames.shape[2:])
        return frames[:, :, top : top + side, left : left + side] / 255.0
    missing = -len(frames) % KINDS  # faults come in whole groups
    padded = torch.cat([frames, frames[:1].expand(missing, -1, -1, -1)])
    faces = resample(padded, jittered_transforms(len(padded), side, share, MILD, padded), side) / 255.0
    if view < counts.plain:
        return photograph(faces, 0, MILD)[: len(frames)]
    severe_rows = 0 if view < counts.plain + counts.light else len(faces)
    order = torch.randperm(len(faces), device=faces.device)  # or a place in the store would decide the kind
    taken = torch.empty_like(faces)
    taken[order] = photograph(faces[order], severe_rows, LIGHTLY_SPOILT)
    return taken[: len(frames)]
