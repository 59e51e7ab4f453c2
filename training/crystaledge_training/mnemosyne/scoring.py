"""Match scores of trained templates, by the very function that the runtime uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.identity.matching import match_scores, unit_rows
from crystaledge.identity.spec import Scoring
from crystaledge_training.mnemosyne.rollout import Trajectory

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Identities:
    """Identities of many templates, with one log-variance each."""

    unit: Array
    """`(M, D)`, rows of length 1."""
    log_variance: Array
    """`(M,)`."""

    def scores(self, scoring: Scoring, other: Identities) -> Array:
        """Match scores `(len(self), len(other))`."""
        return match_scores(scoring, self.unit, self.log_variance, other.unit, other.log_variance)


def identities_at(trajectory: Trajectory, step: int) -> Identities:
    """Identities after `step + 1` observations; -1 for the last."""
    unit = unit_rows(trajectory.hidden[step].numpy())
    return Identities(unit, trajectory.log_variance[step].numpy().astype(np.float64))
