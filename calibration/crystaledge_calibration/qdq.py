"""Q/DQ into a float graph: the policy of each target, with ONNX Runtime's quantizer for the mechanics."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, helper
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from crystaledge.manifest.model import Target
from crystaledge_calibration.residual import identity_sums, quantized_sums, residual_sums, with_skip_qdq
from crystaledge_calibration.step_model import WEIGHTED_OPS, fed_back, quantizable_nodes

MOST_IR_VERSION = 8
"""That of opset 18, which every TensorRT from 8.5 on reads."""


@dataclass(frozen=True, slots=True)
class TensorRange:
    """What a tensor's eight bits span."""

    low: float
    high: float

    @property
    def amax(self) -> float:
        """Of the symmetric form."""
        return max(abs(self.low), abs(self.high))


def quantized_tensors(model: ModelProto, target: Target) -> tuple[str, ...]:
    """Tensors that need a range for a target, in the order in which they are made.

    TensorRT: the data inputs of Conv, Gemm and MatMul, and the skip branches of residual sums. CPU:
    both branches of residual sums, and what is pooled, since ONNX Runtime fuses an operator into an
    int8 one only where both of its sides have Q/DQ (a Relu between is looked through).
    """
    names = [node.data for node in quantizable_nodes(model)]
    residual = (*residual_sums(model), *identity_sums(model))
    names += [one.skip_tensor for one in residual]
    if target is Target.CPU:
        sums = {one.add for one in residual}
        fused = [n for n in model.graph.node if n.op_type in _POOLS or n.name in sums]
        names += [name for node in fused for name in node.input]
    border = {i.name for i in model.graph.initializer} | fed_back(model)
    return tuple(dict.fromkeys(name for name in names if name and name not in border))


def with_qdq(
    model: ModelProto, target: Target, ranges: Mapping[str, TensorRange], *, nodes: Collection[str]
) -> ModelProto:
    """The graph with Q/DQ around some of its weighted nodes; all else stays float32.

    Weights are int8 per output channel, symmetric, amax/127, stored as int8; biases stay float32.

    Args:
        ranges: of every tensor in `quantized_tensors`.
        nodes: weighted nodes that become int8.
    """
    # A skip branch that is always zero has no scale, and stays in float.
    sums = [one for one in quantized_sums(model, nodes) if ranges[one.skip_tensor].amax > 0.0]
    chosen = [node.name for node in model.graph.node if _belongs(node, target, nodes, {one.add for one in sums})]
    copy, apart = _read_apart(model, chosen)
    if not chosen:
        return copy
    named = {**ranges, **{other: ranges[name] for name, other in apart.items() if name in ranges}}
    tensors = {name: TensorData(lowest=np.float32(r.low), highest=np.float32(r.high)) for name, r in named.items()}
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # the quantizer advises its own pre-processing through the root logger
    try:
        quantizer = QDQQuantizer(
            copy,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QInt8 if target is Target.TENSORRT else QuantType.QUInt8,
            tensors_range=TensorsData(CalibrationMethod.MinMax, tensors),
            nodes_to_quantize=chosen,
            nodes_to_exclude=[],
            op_types_to_quantize=list(WEIGHTED_OPS if target is Target.TENSORRT else WEIGHTED_OPS | _CPU_OPS),
            extra_options=_options(target),
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()  # it appends Q/DQ at the end; ONNX wants makers before readers
    finally:
        root.setLevel(level)
    result = _joined(quantizer.model.model, apart)
    if target is Target.TENSORRT:
        with_skip_qdq(result, sums, {name: r.amax for name, r in ranges.items()})
    return _plain(result)


_POOLS = frozenset({"GlobalAveragePool"})
_CPU_OPS = _POOLS | {"Add"}


def _read_apart(model: ModelProto, chosen: Collection[str]) -> tuple[ModelProto, dict[str, str]]:
    """A copy in which quantized nodes read their own copy of a tensor that float nodes read too.

    The quantizer would give every reader the eight bits: the state's in the gates' sums, for one.

    Returns:
        The graph, and the copy's name by tensor.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    outside = {name for node in model.graph.node if node.name not in chosen for name in node.input}
    inputs = {value.name for value in model.graph.input}
    apart: dict[str, str] = {}
    for node in copy.graph.node:
        if node.name in chosen and node.input[0] in outside:
            apart[node.input[0]] = f"{node.input[0]}_read"
            node.input[0] = apart[node.input[0]]
    for name, other in apart.items():
        identity = helper.make_node("Identity", [name], [other], name=other)
        place = 0 if name in inputs else 1 + next(i for i, n in enumerate(copy.graph.node) if name in n.output)
        copy.graph.node.insert(place, identity)
    return copy, apart


def _joined(model: ModelProto, apart: Mapping[str, str]) -> ModelProto:
    """Take the copies out again: their Q reads the tensor itself."""
    originals = {other: name for name, other in apart.items()}
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = originals.get(name, name)
    kept = [node for node in model.graph.node if node.name not in originals]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


def _belongs(node: onnx.NodeProto, target: Target, nodes: Collection[str], sums: Collection[str]) -> bool:
    if node.op_type in WEIGHTED_OPS:
        return node.name in nodes
    return target is Target.CPU and (node.op_type in _POOLS or node.name in sums)


def _options(target: Target) -> dict[str, Any]:
    return {
        "WeightSymmetric": True,
        "ActivationSymmetric": target is Target.TENSORRT,
        "QuantizeBias": target is Target.CPU,
        # A tensor gets Q/DQ where it is read: between an operator and its Relu or Add it would forbid their fusion.
        "OpTypesToExcludeOutputQuantization": sorted(WEIGHTED_OPS | _CPU_OPS),
    }


def _plain(model: ModelProto) -> ModelProto:
    """Drop what the quantizer leaves behind: foreign opset imports, producer, documentation."""
    kept = [entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    used = {node.domain for node in model.graph.node}
    kept += [entry for entry in model.opset_import if entry not in kept and entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    del model.metadata_props[:]
    del model.graph.value_info[:]
    model.producer_name, model.producer_version = "crystaledge", ""
    model.ir_version = min(model.ir_version, MOST_IR_VERSION)
    return model
