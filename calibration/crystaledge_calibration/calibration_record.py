"""What is written down about how a graph was quantized."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import ModelProto

from crystaledge.manifest.model import GraphSpec, Precision
from crystaledge_calibration.calibration_set import CalibrationSet
from crystaledge_calibration.draft import Draft
from crystaledge_calibration.records import (
    RECORD_VERSION,
    ByteAccount,
    CalibrationRecord,
    NodeRecord,
    RangeRecord,
    RecipeStep,
)
from crystaledge_calibration.step_model import LEAST_SHARE, WeightedNode, fed_back, tiny_nodes, weighted_nodes


def node_records(
    model: ModelProto,
    draft: Draft,
    sensitivity: Mapping[str, float],
    *,
    given_back: tuple[str, ...],
    kept: tuple[str, ...],
) -> tuple[NodeRecord, ...]:
    """What became of each weighted node, and why.

    Args:
        given_back: nodes that the precision search returned to float.
        kept: nodes that the user wanted in float.
    """
    never = _never_int8(model)
    return tuple(
        NodeRecord(
            node=node.name,
            op=node.op,
            weight=node.weight,
            macs=node.macs,
            precision=Precision.INT8 if node.name in draft.nodes else Precision.FLOAT32,
            reason=_reason(node, never, draft, given_back, kept),
            sensitivity=sensitivity.get(node.name, 0.0),
        )
        for node in weighted_nodes(model)
    )


def _never_int8(model: ModelProto) -> dict[str, str]:
    """Why nodes that are not among `quantizable_nodes` are not, by name."""
    outputs, tiny = fed_back(model), tiny_nodes(model)
    return {
        node.name: f"reads {node.data!r}, which leaves the graph in float32"
        if node.data in outputs
        else f"has less than {LEAST_SHARE:.2%} of the multiply-accumulates; eight bits would save nothing"
        for node in weighted_nodes(model)
        if node.data in outputs or node.name in tiny
    }


def _reason(
    node: WeightedNode, never: Mapping[str, str], draft: Draft, given_back: tuple[str, ...], kept: tuple[str, ...]
) -> str:
    if node.name in draft.nodes:
        return "int8"
    if node.name in kept or node.weight in kept:
        return "kept in float32 as asked for"
    if node.name in given_back:
        return "given back to float32 by the precision search"
    if node.name in never:
        return never[node.name]
    if draft.seen[node.data].degenerate:
        return "its input never changed, so it has no range"
    return "trained in float32"


def calibration_record(
    spec: GraphSpec,
    *,
    sequences: CalibrationSet,
    chosen_on: int,
    recipe: tuple[RecipeStep, ...],
    ranges: tuple[RangeRecord, ...],
    nodes: tuple[NodeRecord, ...],
    accounting: tuple[ByteAccount, ...],
) -> CalibrationRecord:
    """The record of a quantized graph."""
    assert spec.target is not None
    total = sum(node.macs for node in nodes)
    return CalibrationRecord(
        schema_version=RECORD_VERSION,
        graph=spec.name,
        target=spec.target,
        calibrated_on=sequences.record(),
        chosen_on=chosen_on,
        recipe=recipe,
        ranges=ranges,
        nodes=nodes,
        macs_int8=sum(n.macs for n in nodes if n.precision is Precision.INT8) / max(total, 1),
        accounting=accounting,
    )


def range_records(spec: GraphSpec, draft: Draft) -> tuple[RangeRecord, ...]:
    """How each activation became eight bits."""
    states = {pair.input for pair in spec.states}
    return tuple(
        RangeRecord(
            tensor=name,
            state=name in states,
            low=draft.seen[name].low,
            high=draft.seen[name].high,
            amax=cut.amax,
            calibrator=cut.by,
            clipped=draft.seen[name].share_beyond(cut.amax),
        )
        for name, cut in draft.cuts.items()
    )
