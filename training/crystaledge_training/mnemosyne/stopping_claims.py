"""Claims for stopping rules: probes of a few images, each against enrolled people, scored after every look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crystaledge.identity.spec import Scoring
from crystaledge.metrics.bootstrap import Array
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.mnemosyne.embed import Encoded, crystallize
from crystaledge_training.mnemosyne.scoring import Identities, identities_at
from crystaledge_training.mnemosyne.step import CrystallizationNetwork

ENROLMENT = 5
"""Images that each person is enrolled with."""
LONGEST = 5
"""Images of each probe."""
MOST_IMPOSTORS = 50
"""Claims of each probe to be somebody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One probe that claims to be one enrolled person."""

    probe: int
    """Number of the person who is looked at."""
    target: int
    """Of the person whom the probe claims to be."""
    scores: Array
    """`(LONGEST,)` match scores, after each look."""
    velocity: Array
    """`(LONGEST,)`."""


def draw_claims(
    network: CrystallizationNetwork,
    encoded: Encoded,
    store: FrameStore,
    scoring: Scoring,
    *,
    seed: tuple[int, ...],
) -> Iterator[Claim]:
    """Everybody who has ten images against themselves and against at most 50 others; nothing where not two have.

    An image is never in both an enrolment and a probe.
    """
    people = np.flatnonzero(store.counts >= ENROLMENT + LONGEST)
    if len(people) < 2:
        return
    generator = np.random.default_rng((*seed, 0x570F))
    rows = np.stack([generator.permutation(store.rows_of(person))[: ENROLMENT + LONGEST] for person in people.tolist()])
    enrolled = identities_at(crystallize(network, encoded, rows[:, :ENROLMENT]), -1)
    trajectory = crystallize(network, encoded, rows[:, ENROLMENT:])
    steps = [identities_at(trajectory, step) for step in range(LONGEST)]
    velocity = trajectory.velocity.numpy().astype(np.float64)
    for own, person in enumerate(people.tolist()):
        others = np.delete(np.arange(len(people)), own)
        targets = np.append(generator.choice(others, min(MOST_IMPOSTORS, len(others)), replace=False), own)
        probe = Identities(np.stack([s.unit[own] for s in steps]), np.array([s.log_variance[own] for s in steps]))
        scores = probe.scores(scoring, Identities(enrolled.unit[targets], enrolled.log_variance[targets]))
        for target, ran in zip(people[targets].tolist(), scores.T, strict=True):
            yield Claim(probe=person, target=target, scores=ran, velocity=velocity[:, own])
