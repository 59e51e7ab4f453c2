"""Where the bytes of a graph file go."""

from __future__ import annotations

from onnx import ModelProto, TensorProto

from crystaledge_calibration.records import ByteAccount
from crystaledge_calibration.step_model import weighted_nodes


def accounting(float32: ModelProto, int8: ModelProto) -> tuple[ByteAccount, ...]:
    """Bytes by kind of content, float against int8; the last row is the sum, the size of each file."""
    weights = {node.weight for node in weighted_nodes(float32)}
    left, right = _kinds(float32, weights), _kinds(int8, weights)
    rows = [ByteAccount(what=kind, float32_bytes=left[kind], int8_bytes=right[kind]) for kind in left]
    total = ByteAccount(what="file", float32_bytes=float32.ByteSize(), int8_bytes=int8.ByteSize())
    return (*rows, total)


def _kinds(model: ModelProto, weights: set[str]) -> dict[str, int]:
    kinds = dict.fromkeys(("weights", "biases and constants", "scales", "zero points", "nodes and names"), 0)
    for initializer in model.graph.initializer:
        size = len(initializer.raw_data) or _unpacked(initializer)
        name = initializer.name.removesuffix("_quantized")
        if name in weights:
            kinds["weights"] += size
        elif initializer.name.endswith("_zero_point"):
            kinds["zero points"] += size
        elif initializer.name.endswith("_scale"):
            kinds["scales"] += size
        else:
            kinds["biases and constants"] += size
    kinds["nodes and names"] = model.ByteSize() - sum(kinds.values())
    return kinds


def _unpacked(initializer: TensorProto) -> int:
    """Bytes of a tensor that is not stored raw."""
    return 4 * (len(initializer.float_data) + len(initializer.int32_data)) + 8 * len(initializer.int64_data)
