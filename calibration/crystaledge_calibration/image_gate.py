"""The gate of graphs that read images: which demands are not met, by which graph, and the verdict in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crystaledge_calibration.image_records import (
    Decided,
    Demand,
    ImageFault,
    ImageFinding,
    MapError,
    at_most,
    of_map,
)

ONE_NETWORK = "constants or nodes that are not those of the whole image's graph"


def image_findings(
    strangers: Mapping[str, Sequence[str]],
    demands: Sequence[Demand],
    errors: Mapping[str, Sequence[MapError]],
    *,
    map_error: float,
) -> tuple[ImageFinding, ...]:
    """Every demand that was not met: one network in all graphs first, then decisions, then maps.

    Args:
        strangers: for each graph, that of whole images first, what it does not share with that one.
        demands: of the decisions, which all graphs make together.
        errors: for each graph the relative errors of its outputs.
        map_error: the largest of those that is let pass.
    """
    whole = next(iter(strangers))
    asked = [(graph, at_most(ONE_NETWORK, float(len(names)), 0.0)) for graph, names in strangers.items()]
    asked += [(whole, demand) for demand in demands]
    asked += [(graph, of_map(error, map_error)) for graph, rows in errors.items() for error in rows]
    return tuple(
        ImageFinding(graph=graph, demand=one.what, measured=one.measured, limit=one.limit)
        for graph, one in asked
        if not one.met
    )


def image_sentence(
    family: Sequence[str], found: Sequence[ImageFinding], fault: ImageFault | None, decisions: Decided
) -> str:
    """The verdict on a family in words."""
    if not found:
        others = f" and {len(family) - 1} graphs of the same network" if len(family) > 1 else ""
        return f"{family[0]}{others} {decisions.says()}"
    first = found[0]
    text = f"{first.graph} fails: {first.demand}: {first.measured:.4g}, the limit is {first.limit:g}"
    if fault is None:
        return f"{text}."
    if not fault.node:
        return f"{text}; no layer stands out, the tensor furthest off is {fault.tensor!r} of {fault.graph}."
    if not fault.tensor:
        return f"{text}; the first is {fault.node!r} of {fault.graph}."
    return (
        f"{text}; the first tensor at fault is {fault.tensor!r} of the node {fault.node!r} of {fault.graph}, "
        f"off by {fault.error:.0%}."
    )
