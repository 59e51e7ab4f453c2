"""Enrolled identities, in memory only: embeddings of faces are personal data and are never written here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import UsageError
from crystaledge.identity.matching import match_scores, unit_rows
from crystaledge.identity.spec import Scoring


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One person as the gallery knows them."""

    name: str
    observations: int


class Gallery:
    """Named identities and the search among them."""

    def __init__(self, score: Scoring, dimensions: int) -> None:
        self._score = score
        self._people: list[Enrolled] = []
        self._identity = np.empty((0, dimensions))
        self._log_variance = np.empty(0)

    def __len__(self) -> int:
        return len(self._people)

    @property
    def people(self) -> tuple[Enrolled, ...]:
        """Who is enrolled, in the order of enrolment."""
        return tuple(self._people)

    def enroll(self, name: str, hidden: NDArray[np.float32], log_variance: float, observations: int) -> None:
        """Add a person by their state `(D,)`.

        Raises:
            UsageError: the name is enrolled already.
        """
        if any(p.name == name for p in self._people):
            msg = f"{name!r} is enrolled already; remove that enrolment first."
            raise UsageError(msg)
        self._people.append(Enrolled(name, observations))
        self._identity = np.concatenate([self._identity, unit_rows(hidden[None])])
        self._log_variance = np.append(self._log_variance, log_variance)

    def remove(self, name: str) -> None:
        """Forget a person.

        Raises:
            UsageError: there is no such person.
        """
        for row, person in enumerate(self._people):
            if person.name == name:
                del self._people[row]
                self._identity = np.delete(self._identity, row, axis=0)
                self._log_variance = np.delete(self._log_variance, row)
                return
        msg = f"{name!r} is not enrolled."
        raise UsageError(msg)

    def scores(self, hidden: NDArray[np.float32], log_variance: NDArray[np.float32]) -> NDArray[np.float64]:
        """Match scores of states `(N, D)` against everybody, `(N, len(self))`."""
        probes = unit_rows(hidden)
        return match_scores(self._score, probes, log_variance.astype(np.float64), self._identity, self._log_variance)
