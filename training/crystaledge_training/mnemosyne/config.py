"""Sizes and choices that define one Mnemosyne network."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from crystaledge.errors import DataError
from crystaledge.jsonio import Bounds
from crystaledge.preprocessing.spec import Preprocessing


class QualityGate(Enum):
    """Where the quality of an observation acts."""

    UPDATE = "update"
    """h' = h + q (GRU(e, h) - h): an observation of quality 0 leaves the identity untouched."""
    INPUT = "input"
    """h' = GRU(q e, h): the published form, in which an observation of quality 0 still moves the state."""


class Variant(Enum):
    """Which network crystallizes."""

    PUBLISHED = "published"
    """A small encoder and a GRU cell that holds two thirds of the parameters."""
    WIDE = "wide"
    """All parameters in the encoder, and a state that sums evidence instead of a GRU: 47,649 of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MnemosyneConfig:
    """Network sizes; the defaults are the published ones and give 43,379 parameters.

    Raises:
        DataError: a wide network whose state is not as long as its encoding.
    """

    encoding: Annotated[int, Bounds(1, 4096)] = 96
    hidden: Annotated[int, Bounds(1, 4096)] = 64
    gate: QualityGate = QualityGate.UPDATE
    """Of the published network alone."""
    variant: Variant = Variant.PUBLISHED

    def __post_init__(self) -> None:
        if self.variant is Variant.WIDE and self.encoding != self.hidden:
            msg = f"A wide network sums encodings, so encoding {self.encoding} and hidden {self.hidden} must be equal."
            raise DataError(msg)


WIDE = MnemosyneConfig(encoding=64, hidden=64, variant=Variant.WIDE)
"""The variant at its default size."""

DEFAULT_PREPROCESSING = Preprocessing(size_hw=(64, 64), center_share=0.8)
"""What the network is trained on; it travels with the checkpoint and the manifest from here."""
