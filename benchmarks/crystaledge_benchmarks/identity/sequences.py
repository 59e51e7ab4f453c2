"""Several images of a person against several others, in every way that a network can fuse them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.identity.matching import cosine_scores
from crystaledge.metrics.bootstrap import resample_people
from crystaledge_benchmarks.identity.error_rate import Rate, false_non_match_rate, mean_rate
from crystaledge_benchmarks.identity.fusing import CRYSTALLIZED, fusings_of
from crystaledge_benchmarks.identity.networks import Array, Crops, Network, Rows
from crystaledge_benchmarks.identity.protocol import Protocol
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.evaluation.degraded_protocol import DegradedProtocol, degraded_rows, spoilt_views
from crystaledge_training.evaluation.templates import draw_templates


@dataclass(frozen=True, slots=True)
class Drawn:
    """One draw of observations."""

    rows: Rows
    person: NDArray[np.int64]
    """`(M,)`: whose template it is."""


@dataclass(frozen=True, slots=True)
class Sequences:
    """All draws at one severity, on the crops that at least one of them sees."""

    severity: int
    crops: Crops
    draws: tuple[Drawn, ...]


def draw_sequences(people: FrameStore, severity: int, protocol: Protocol) -> Sequences:
    """Equal seeds draw equal sequences, whichever network looks at them."""
    pixels = spoilt_views(people.pixels, severity, seed=protocol.seed) if severity else people.pixels
    degraded = DegradedProtocol(severity=severity)
    seeds = range(protocol.seed, protocol.seed + protocol.draws)
    templates = [draw_templates(people, protocol.observations, seed=seed) for seed in seeds]
    rows = [degraded_rows(t, people.person, degraded, seed=seed) for t, seed in zip(templates, seeds, strict=True)]
    used, place = np.unique(np.concatenate(rows), return_inverse=True)
    moved = np.split(place.reshape(-1, protocol.observations), np.cumsum([len(r) for r in rows])[:-1])
    return Sequences(severity, pixels[used], tuple(Drawn(r, t.person) for r, t in zip(moved, templates, strict=True)))


def measure_sequences(
    network: Network, sequences: Sequence[Sequences], people: int, protocol: Protocol
) -> dict[str, dict[int, Rate]]:
    """False non-matches by way of fusing and severity, each a mean over all draws.

    Args:
        people: how many there are, with templates or without.

    Raises:
        EngineError: the network fails.
    """
    resampled = resample_people(people, protocol.resamples, seed=protocol.seed)
    found: dict[str, dict[int, Rate]] = {}
    for one in sequences:
        rates: dict[str, list[Rate]] = {}
        for drawn, scores in scored(network, one):
            for way, values in scores.items():
                rate = false_non_match_rate(values, drawn.person, resampled, false_match_rate=protocol.false_match_rate)
                rates.setdefault(way, []).append(rate)
        for way, several in rates.items():
            found.setdefault(way, {})[one.severity] = mean_rate(several)
    return found


def scored(network: Network, sequences: Sequences) -> Iterator[tuple[Drawn, Mapping[str, Array]]]:
    """Each draw with its scores `(M, M)` by way of fusing; a state is compared as its bundle says, others by cosine."""
    seen = network.look(sequences.crops)
    for drawn in sequences.draws:
        scores: dict[str, Array] = {}
        state = network.crystallize(sequences.crops, drawn.rows)
        if state is not None:
            identities, scoring = state
            scores[CRYSTALLIZED] = identities.scores(scoring, identities)
        for way, fuse in fusings_of(seen).items():
            unit = fuse(seen, drawn.rows)
            scores[way] = cosine_scores(unit, unit)
        yield drawn, scores
