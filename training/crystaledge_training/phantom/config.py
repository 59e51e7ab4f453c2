"""Sizes and choices that define one Phantom network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from crystaledge.jsonio import Bounds
from crystaledge.preprocessing.spec import Fit, Preprocessing, Resampling


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomConfig:
    """Network sizes; the defaults are the published ones and give 72,053 parameters."""

    stem: Annotated[int, Bounds(1, 4096)] = 16
    stage1: Annotated[int, Bounds(1, 4096)] = 24
    stage2: Annotated[int, Bounds(1, 4096)] = 32
    stage3: Annotated[int, Bounds(0, 4096)] = 48
    """Read by no head of the published form; trained by an auxiliary loss, left out of the graphs."""
    roi: Annotated[int, Bounds(1, 4096)] = 48
    event: Annotated[int, Bounds(1, 4096)] = 32
    track_hidden: Annotated[int, Bounds(1, 4096)] = 64


PRIOR_PROBABILITY = 0.01
"""Of a cell to hold a face, before anything is learnt (Lin et al., Focal Loss, 2017, section 4.1)."""
DEFAULT_PREPROCESSING = Preprocessing(size_hw=(128, 128), fit=Fit.LETTERBOX, resampling=Resampling.AREA)
"""What the network is trained on; it travels with the checkpoint and the manifest from here."""
