"""One image a side: LFW's View 1, and retrieval among the test people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.metrics.bootstrap import Estimate, bootstrap_mean, estimate, resample_people
from crystaledge_benchmarks.identity.fusing import mirrored
from crystaledge_benchmarks.identity.networks import Array, Network
from crystaledge_benchmarks.identity.people import Faces, PairRows, View1
from crystaledge_benchmarks.identity.protocol import Protocol
from crystaledge_training.evaluation.retrieval import retrieval_per_person
from crystaledge_training.mnemosyne.evaluate_pairs import best_threshold

_TIMED_CROPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SinglesResult:
    """What single images are good for."""

    view1: Estimate
    view1_mirrored: Estimate
    """With the mirror image averaged in, which costs a second pass."""
    retrieval: dict[str, Estimate]
    """Of people with two images or more, each image being searched among all others."""
    cpu_ms: float
    """Of one face."""


def measure_singles(network: Network, faces: Faces, protocol: Protocol) -> SinglesResult:
    """All of it.

    Raises:
        EngineError: the network fails.
    """
    crops = faces.view1.crops
    seen, mirror = network.look(crops), network.look(np.ascontiguousarray(crops[:, :, ::-1]))
    people = faces.people
    retrieved, present = retrieval_per_person(network.look(people.pixels).unit, people.person)
    draws = resample_people(len(people.names), protocol.resamples, seed=protocol.seed)
    return SinglesResult(
        view1=pair_accuracy(seen.unit, faces.view1, protocol),
        view1_mirrored=pair_accuracy(mirrored(seen, mirror), faces.view1, protocol),
        retrieval={name: bootstrap_mean(values, present, draws) for name, values in retrieved.items()},
        cpu_ms=network.cpu_ms(people.pixels[:_TIMED_CROPS]),
    )


def pair_accuracy(unit: Array, view1: View1, protocol: Protocol) -> Estimate:
    """On the test pairs, by the threshold that is best on the training pairs; resampled by first person."""
    threshold = best_threshold(_cosines(unit, view1.training), view1.training.same)
    hits = (_cosines(unit, view1.test) >= threshold) == view1.test.same
    return share_by_person(hits, view1.test.person, protocol)


def share_by_person(hits: NDArray[np.bool_], person: NDArray[np.int64], protocol: Protocol) -> Estimate:
    """Share of hits, with an interval by drawing people: each brings all that is theirs."""
    right, count = np.bincount(person, weights=hits), np.bincount(person)
    draws = resample_people(len(count), protocol.resamples, seed=protocol.seed)
    return estimate(float(hits.mean()), (draws @ right) / (draws @ count))


def _cosines(unit: Array, pairs: PairRows) -> Array:
    return np.asarray((unit[pairs.first] * unit[pairs.second]).sum(axis=1))
