"""From a float Mnemosyne to the student that computes as the int8 graph will."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.blocks import DepthwiseResidual
from crystaledge_training.data.frames import FrameStore, subset
from crystaledge_training.mnemosyne.embed import crystallize, encode_frames
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.quantization.equalise import Boundary, equalise
from crystaledge_training.quantization.fake_quant import attach
from crystaledge_training.quantization.fold import fold_batch_norm
from crystaledge_training.quantization.ranges import observing

_SHARE = 0.9999
"""A channel's or a range's reach: the largest values in ten thousand are clipped at first."""
_PEOPLE = 400
_STEPS = 64


def make_student(
    teacher: Mnemosyne,
    store: FrameStore,
    spec: Preprocessing,
    *,
    keep_float: tuple[str, ...] = (),
    seed: int,
) -> Mnemosyne:
    """A copy of the teacher with batch norm folded, channels equalised, rounding attached and ranges set.

    With rounding off it is the teacher. Ranges are those of float rollouts over `store`'s people: every
    length from the first step to a settled state.
    """
    student = fold_batch_norm(teacher).requires_grad_(True)
    people = np.random.default_rng(seed).permutation(len(store.names))[:_PEOPLE]
    seen = subset(store, people.tolist())
    equalise(_boundaries(student), lambda: encode_frames(student, seen.pixels, spec), share=_SHARE)
    height, width = spec.size_hw
    faces = torch.zeros(2, 3, height, width, device=student.convergence.weight.device)
    attach(student, faces, student.initial_state(2), keep_float=keep_float)
    with observing(student, share=_SHARE):
        crystallize(student, encode_frames(student, seen.pixels, spec), repeated_rows(seen, _STEPS, seed=seed))
    return student


def repeated_rows(store: FrameStore, steps: int, *, seed: int) -> NDArray[np.int64]:
    """For each person a track of `steps` of their frames, drawn with repetition: row numbers `(people, steps)`."""
    generator = np.random.default_rng(seed)
    chosen = generator.random((len(store.names), steps))
    counts = store.counts
    first = np.cumsum(counts) - counts
    rows: NDArray[np.int64] = first[:, None] + (chosen * counts[:, None]).astype(np.int64)
    return rows


def agreement(states: Tensor, known: Tensor) -> Tensor:
    """Cosine of the identities of two rollouts at each step: `(T, S, hidden)` twice to `(T, S)`."""
    return nn.functional.cosine_similarity(states, known, dim=2)


def _boundaries(network: Mnemosyne) -> tuple[Boundary, ...]:
    """Every tensor between two layers whose scale nobody but its readers sees; the state is not among them."""
    encoder = network.encoder
    blocks = [block for block in encoder.blocks if isinstance(block, DepthwiseResidual)]
    makers: list[tuple[nn.Module, ...]] = [(encoder.stem[0],)]
    readers: list[tuple[nn.Module, ...]] = []
    for block in blocks:
        readers += [(block.depthwise[0], block.shortcut[0]), (block.pointwise[0],)]
        makers += [(block.depthwise[0],), (block.pointwise[0], block.shortcut[0])]
    readers += [(encoder.projection,), (network.quality, network.cell)]
    makers.append((encoder.projection,))
    return tuple(_boundary(*pair) for pair in zip(makers, readers, strict=True))


def _boundary(makers: tuple[nn.Module, ...], readers: tuple[nn.Module, ...]) -> Boundary:
    return Boundary(
        makers=tuple(m for m in makers if isinstance(m, (nn.Conv2d, nn.Linear))),
        readers=tuple(r for r in readers if isinstance(r, (nn.Conv2d, nn.Linear, nn.GRUCell))),
    )
