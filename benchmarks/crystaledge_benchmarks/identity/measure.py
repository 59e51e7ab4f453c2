"""Everything about one network, by the protocol that is the same for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crystaledge.metrics.bootstrap import Estimate
from crystaledge_benchmarks.identity.closed_set import measure_closed_set
from crystaledge_benchmarks.identity.error_rate import Rate, reduction
from crystaledge_benchmarks.identity.fusing import CRYSTALLIZED, MEAN, QUALITY_WEIGHTED
from crystaledge_benchmarks.identity.networks import Network
from crystaledge_benchmarks.identity.people import Faces
from crystaledge_benchmarks.identity.protocol import Protocol
from crystaledge_benchmarks.identity.sequences import Sequences, measure_sequences
from crystaledge_benchmarks.identity.singles import SinglesResult, measure_singles


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedResult:
    """One way of fusing observations."""

    way: str
    false_non_match: dict[str, Estimate]
    """By severity."""
    closed_set: Estimate | None
    """Rank 1 on the other domain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReductionResult:
    """Share of the false non-matches of another way that crystallizing does not make, at equal false matches."""

    against: str
    severity: int
    share: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkResult:
    """One network."""

    name: str
    parameters: int | None
    outside_data: str
    singles: SinglesResult
    fused: tuple[FusedResult, ...]
    reductions: tuple[ReductionResult, ...]
    """None of a network without a state."""


def measure(network: Network, faces: Faces, sequences: Sequence[Sequences], protocol: Protocol) -> NetworkResult:
    """Singles, sequences and the other domain.

    Raises:
        EngineError: the network fails.
    """
    rates = measure_sequences(network, sequences, len(faces.people.names), protocol)
    closed = {} if faces.orl is None else measure_closed_set(network, faces.orl, protocol)
    return NetworkResult(
        name=network.name,
        parameters=network.parameters,
        outside_data=network.outside_data,
        singles=measure_singles(network, faces, protocol),
        fused=tuple(
            FusedResult(
                way=way,
                false_non_match={str(severity): rate.estimate for severity, rate in by_severity.items()},
                closed_set=closed.get(way),
            )
            for way, by_severity in rates.items()
        ),
        reductions=_reductions(rates),
    )


def _reductions(rates: dict[str, dict[int, Rate]]) -> tuple[ReductionResult, ...]:
    ours = rates.get(CRYSTALLIZED, {})
    return tuple(
        ReductionResult(against=way, severity=severity, share=reduction(rate, rates[way][severity]))
        for way in (MEAN, QUALITY_WEIGHTED)
        for severity, rate in ours.items()
        if severity
    )
