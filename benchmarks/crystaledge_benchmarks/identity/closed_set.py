"""One image of somebody against everybody's enrolment, all being enrolled: rank 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.identity.matching import cosine_scores
from crystaledge.metrics.bootstrap import Estimate
from crystaledge_benchmarks.identity.fusing import CRYSTALLIZED, fusings_of
from crystaledge_benchmarks.identity.networks import Array, Network, Rows
from crystaledge_benchmarks.identity.protocol import Protocol
from crystaledge_benchmarks.identity.singles import share_by_person
from crystaledge_training.data.frames import FrameStore


def measure_closed_set(network: Network, people: FrameStore, protocol: Protocol) -> dict[str, Estimate]:
    """Share of probes whose best match is their own person, by way of fusing the enrolment, over all draws.

    Raises:
        DataError: somebody has no image left to be probed with.
        EngineError: the network fails.
    """
    seen = network.look(people.pixels)
    hits: dict[str, list[NDArray[np.bool_]]] = {}
    owners = []
    for enrolled, probes in (_split(people, protocol, draw) for draw in range(protocol.draws)):
        owners.append(people.person[probes])
        for way, fuse in fusings_of(seen).items():
            scores = cosine_scores(seen.unit[probes], fuse(seen, enrolled))
            hits.setdefault(way, []).append(scores.argmax(axis=1) == owners[-1])
        state = _state_scores(network, people, enrolled, probes)
        if state is not None:
            hits.setdefault(CRYSTALLIZED, []).append(state.argmax(axis=1) == owners[-1])
    person = np.concatenate(owners)
    return {way: share_by_person(np.concatenate(several), person, protocol) for way, several in hits.items()}


def _state_scores(network: Network, people: FrameStore, enrolled: Rows, probes: NDArray[np.int64]) -> Array | None:
    """Of probes with enrolments `(K, P)`, as the bundle compares them; None of a network without a state."""
    gallery, single = network.crystallize(people.pixels, enrolled), network.crystallize(people.pixels, probes[:, None])
    if gallery is None or single is None:
        return None
    return single[0].scores(gallery[1], gallery[0])


def _split(people: FrameStore, protocol: Protocol, draw: int) -> tuple[Rows, NDArray[np.int64]]:
    """Rows of enrolment `(P, N)`, one row a person in their order, and the rest."""
    least = int(people.counts.min())
    if least <= protocol.observations:
        msg = f"Somebody has {least} images; {protocol.observations} to enrol and one to probe are needed."
        raise DataError(msg)
    generator = np.random.default_rng((protocol.seed, draw))
    shuffled = [generator.permutation(people.rows_of(person)) for person in range(len(people.names))]
    enrolled = np.stack([rows[: protocol.observations] for rows in shuffled])
    return enrolled, np.concatenate([rows[protocol.observations :] for rows in shuffled])
