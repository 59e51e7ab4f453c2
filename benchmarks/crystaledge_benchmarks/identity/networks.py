"""What every network is to this measurement, whoever made it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import EngineError
from crystaledge.identity.spec import Scoring
from crystaledge_training.mnemosyne.scoring import Identities

Array = NDArray[np.float64]
Crops = NDArray[np.uint8]
"""`(N, h, w, 3)`, RGB: all that any network sees of a face."""
Rows = NDArray[np.int64]
"""`(M, N)`: for each of M templates the crops that it is made of, in the order of observation."""


@dataclass(frozen=True, slots=True)
class Observations:
    """What single crops give."""

    unit: Array
    """`(N, D)`, rows of length 1."""
    quality: Array | None
    """`(N,)` in (0, 1); None of a network that judges none."""


class Network(ABC):
    """Embeds faces; some fuse them as well."""

    name: str
    parameters: int | None
    """None where they are not on record."""
    outside_data: str
    """What taught it beyond the people of LFW's training list; "none" otherwise."""

    @abstractmethod
    def look(self, crops: Crops) -> Observations:
        """Embed each crop by itself."""

    @abstractmethod
    def cpu_ms(self, crops: Crops) -> float:
        """CPU milliseconds of one face, one thread, one face a call; median over the crops."""

    def crystallize(self, crops: Crops, rows: Rows) -> tuple[Identities, Scoring] | None:
        """Let a state absorb each row of crops; None of a network that has no state."""
        return None


def checked(unit: Array, name: str) -> Array:
    """Vectors `(N, D)` as they are.

    Raises:
        EngineError: one is not finite, or has not length 1.
    """
    wrong = ~np.isclose(np.linalg.norm(unit, axis=1), 1.0, atol=1e-4)
    if wrong.any():
        msg = f"{name} embeds {int(wrong.sum())} of {len(unit)} faces as no direction at all; its weights are damaged."
        raise EngineError(msg)
    return unit
