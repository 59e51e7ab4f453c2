"""The gate of detectors: which demands are not met, by which graph, and the verdict in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crystaledge_calibration.detection_records import (
    DetectionFault,
    DetectionFinding,
    DetectionLimits,
    DetectionParity,
    MapError,
)

ONE_NETWORK = "constants or nodes that are not those of the whole image's graph"


def detection_findings(
    strangers: Mapping[str, Sequence[str]],
    errors: Mapping[str, Sequence[MapError]],
    decisions: DetectionParity,
    limits: DetectionLimits,
) -> tuple[DetectionFinding, ...]:
    """Every demand that was not met: one network in all graphs first, then decisions, then maps.

    Args:
        strangers: for each graph, that of whole images first, what it does not share with that one.
        errors: for each graph the relative errors of its outputs.
    """
    whole = next(iter(strangers))
    found = [_finding(graph, ONE_NETWORK, float(len(names)), 0.0) for graph, names in strangers.items() if names]
    if decisions.same_faces < limits.same_faces:
        found.append(_finding(whole, "F1 of the faces that both find", decisions.same_faces, limits.same_faces))
    if decisions.box_iou < limits.box_iou:
        found.append(_finding(whole, "mean overlap of their boxes", decisions.box_iou, limits.box_iou))
    if decisions.score_apart > limits.score_apart:
        found.append(_finding(whole, "difference of their scores", decisions.score_apart, limits.score_apart))
    found += [
        _finding(graph, f"relative error of {one.tensor!r}", one.error, limits.map_error)
        for graph, rows in errors.items()
        for one in rows
        if not one.error <= limits.map_error
    ]
    return tuple(found)


def detection_sentence(
    family: Sequence[str],
    found: Sequence[DetectionFinding],
    fault: DetectionFault | None,
    decisions: DetectionParity,
) -> str:
    """The verdict on a family in words."""
    if not found:
        others = f" and {len(family) - 1} graphs of the same network" if len(family) > 1 else ""
        return (
            f"{family[0]}{others} find the same faces: F1 {decisions.same_faces:.3f} and mean overlap "
            f"{decisions.box_iou:.3f} in {decisions.images} images with {decisions.faces_float} faces."
        )
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


def _finding(graph: str, demand: str, measured: float, limit: float) -> DetectionFinding:
    return DetectionFinding(graph=graph, demand=demand, measured=measured, limit=limit)
