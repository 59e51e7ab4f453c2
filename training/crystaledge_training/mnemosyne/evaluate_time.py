"""What time does to a Mnemosyne: order of frames, and velocity over observations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crystaledge_training.data.frames import FrameStore
from crystaledge_training.evaluation.templates import draw_templates
from crystaledge_training.mnemosyne.embed import Encoded, crystallize
from crystaledge_training.mnemosyne.rollout import movement
from crystaledge_training.mnemosyne.scoring import identities_at
from crystaledge_training.mnemosyne.step import CrystallizationNetwork

_ORDERS = 20
_ORDER_FRAMES = 5
_LONGEST = 10


@dataclass(frozen=True, slots=True)
class OrderSpread:
    """How much the match score of the same frames depends on their order."""

    people: int
    frames: int
    orders: int
    cosine_std_mean: float
    """Standard deviation over orders of the cosine to the person's own template, mean over people."""
    cosine_std_p95: float
    cosine_range_mean: float
    """Largest less smallest, mean over people."""
    cosine_std_between_people: float
    """Standard deviation over people of the mean score, to compare with."""


@dataclass(frozen=True, slots=True)
class VelocityRow:
    """One observation number."""

    observation: int
    velocity_mean: float
    velocity_p10: float
    velocity_p90: float
    movement_mean: float
    """Measured root-mean-square change of the state: what the velocity predicts."""


def measure_order(
    network: CrystallizationNetwork, encoded: Encoded, store: FrameStore, *, seed: int
) -> OrderSpread | None:
    """Scores of shuffled orders of five frames against a template of five others; None where nobody has ten."""
    people = np.flatnonzero(store.counts >= 2 * _ORDER_FRAMES)
    if not len(people):
        return None
    generator = np.random.default_rng((seed, 0x0DE2))
    scores = np.empty((len(people), _ORDERS))
    for row, person in enumerate(people.tolist()):
        shuffled = generator.permutation(store.rows_of(person))
        template, probe = shuffled[:_ORDER_FRAMES], shuffled[_ORDER_FRAMES : 2 * _ORDER_FRAMES]
        orders = np.stack([generator.permutation(probe) for _ in range(_ORDERS)])
        both = identities_at(crystallize(network, encoded, np.concatenate([template[None], orders])), -1)
        scores[row] = both.unit[1:] @ both.unit[0]
    spread = scores.std(axis=1)
    return OrderSpread(
        people=len(people),
        frames=_ORDER_FRAMES,
        orders=_ORDERS,
        cosine_std_mean=float(spread.mean()),
        cosine_std_p95=float(np.quantile(spread, 0.95)),
        cosine_range_mean=float(np.ptp(scores, axis=1).mean()),
        cosine_std_between_people=float(scores.mean(axis=1).std()),
    )


def measure_velocity(
    network: CrystallizationNetwork, encoded: Encoded, store: FrameStore, *, seed: int
) -> tuple[VelocityRow, ...]:
    """Velocity against observation number, over templates of as many frames as at least two people have, up to ten."""
    length = int(np.sort(store.counts)[-2:].min(initial=_LONGEST))
    templates = draw_templates(store, max(length, 1), seed=seed)
    trajectory = crystallize(network, encoded, templates.rows)
    moved = movement(trajectory.hidden).numpy()
    return tuple(
        VelocityRow(
            t + 1,
            float(velocity.mean()),
            float(np.quantile(velocity, 0.1)),
            float(np.quantile(velocity, 0.9)),
            float(moved[t].mean()),
        )
        for t, velocity in enumerate(trajectory.velocity.numpy())
    )
