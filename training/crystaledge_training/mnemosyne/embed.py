"""Encodings and identities of many frames, in inference mode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystaledge.preprocessing.preprocessor import normalisation_table
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.mnemosyne.rollout import Trajectory, absorb_all
from crystaledge_training.mnemosyne.step import CrystallizationNetwork

_FRAMES_PER_CALL = 256


@dataclass(frozen=True, slots=True)
class Encoded:
    """Encoded frames, computed once and used by every template and baseline."""

    encoding: Tensor
    """float32 `(N, encoding)`."""
    quality: Tensor
    """float32 `(N, 1)`."""


@torch.no_grad()
def encode_frames(network: CrystallizationNetwork, pixels: NDArray[np.uint8], spec: Preprocessing) -> Encoded:
    """Encode resized uint8 frames `(N, h, w, 3)`; batch norm in inference mode, mode restored.

    Runs where the network is; the result is on the CPU.
    """
    table = torch.from_numpy(normalisation_table(spec))
    was_training = network.training
    network.eval()
    parts = [
        _encode_chunk(network, pixels[i : i + _FRAMES_PER_CALL], table) for i in range(0, len(pixels), _FRAMES_PER_CALL)
    ]
    network.train(was_training)
    return Encoded(torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts]))


def _encode_chunk(network: CrystallizationNetwork, pixels: NDArray[np.uint8], table: Tensor) -> tuple[Tensor, Tensor]:
    index = torch.from_numpy(pixels.astype(np.int64))
    faces = torch.stack([table[c][index[..., c]] for c in range(3)], dim=1)
    encoding, quality = network.encode(faces.to(network.device))
    return encoding.cpu(), quality.cpu()


@torch.no_grad()
def crystallize(network: CrystallizationNetwork, encoded: Encoded, rows: NDArray[np.int64]) -> Trajectory:
    """Roll out templates of row numbers `(M, N)` from the zero state; no gradients, result on the CPU."""
    device = network.device
    index = torch.from_numpy(np.ascontiguousarray(rows.T))
    valid = torch.ones(index.shape, dtype=torch.bool)
    encoding, quality = encoded.encoding[index].to(device), encoded.quality[index].to(device)
    return Trajectory(*(t.cpu() for t in absorb_all(network, encoding, quality, valid.to(device))))
