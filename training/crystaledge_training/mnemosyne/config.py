"""Sizes and choices that define one Mnemosyne network."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from crystaledge.jsonio import Bounds
from crystaledge.preprocessing.spec import Preprocessing


class QualityGate(Enum):
    """Where the quality of an observation acts."""

    UPDATE = "update"
    """h' = h + q (GRU(e, h) - h): an observation of quality 0 leaves the identity untouched."""
    INPUT = "input"
    """h' = GRU(q e, h): the published form, in which an observation of quality 0 still moves the state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MnemosyneConfig:
    """Network sizes; the defaults are the published ones and give 43,379 parameters."""

    encoding: Annotated[int, Bounds(1, 4096)] = 96
    hidden: Annotated[int, Bounds(1, 4096)] = 64
    gate: QualityGate = QualityGate.UPDATE


DEFAULT_PREPROCESSING = Preprocessing(size_hw=(64, 64), center_share=0.8)
"""What the network is trained on; it travels with the checkpoint and the manifest from here."""
