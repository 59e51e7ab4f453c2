"""What the parser of TensorRT makes of an ONNX file, and what it says of one that it does not take.

Messages and their order are those of TensorRT-RTX 1.7.1, as measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

PLUGIN = 'Assertion failed: creator && "Plugin not found, are the plugin name, version, and namespace correct?"'
ASYMMETRIC = (
    "Assertion failed: shiftIsAllZeros(zeroPoint): Non-zero zero point is not supported. Please set "
    "kENABLE_UINT8_AND_ASYMMETRIC_QUANTIZATION_DLA to parse the model for DLA."
)
INT32_BIAS = (
    "Invalid Node - bias\nITensor::getDimensions: Error Code 4: API Usage Error (input has type Int32 but must have "
    "type FP8, FP4, Int4, Int8, or UInt8)\n[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime"
)
SILENTLY_SIGNED = (
    "TensorRT supports UINT8 zero_point only on DLA with kENABLE_UINT8_AND_ASYMMETRIC_QUANTIZATION_DLA. "
    "Defaulting to INT8 instead."
)
IMPLICIT_BATCH = "This version of the ONNX parser only supports networks with an explicit batch dimension"
NO_IMPORTER = frozenset(
    {"Det", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"}
)
"""Standard operators that TensorRT knows by name only; all that it says of them is "false"."""


@dataclass(frozen=True)
class Fault:
    """One error; `index` is the node's place in the file, -1 for none."""

    text: str
    index: int = -1
    name: str = ""
    operator: str = ""


@dataclass(frozen=True)
class Tensor:
    """`ITensor`."""

    name: str
    shape: tuple[int, ...]


class Network:
    """`INetworkDefinition`."""

    def __init__(self, flags: tuple[str, ...], *, oldest: bool) -> None:
        self._flags, self._oldest = flags, oldest
        self._data: bytes | None = None
        self._model: onnx.ModelProto | None = None

    @property
    def num_layers(self) -> int:
        return 0 if self._model is None else len(self._model.graph.node)

    @property
    def num_inputs(self) -> int:
        return 0 if self._model is None else len(self._model.graph.input)

    @property
    def num_outputs(self) -> int:
        return 0 if self._model is None else len(self._model.graph.output)

    def get_input(self, index: int) -> Tensor:
        assert self._model is not None
        value = self._model.graph.input[index]
        return Tensor(value.name, tuple(d.dim_value or -1 for d in value.type.tensor_type.shape.dim))


def read_network(network: Network, data: bytes) -> tuple[tuple[str, ...], tuple[Fault, ...]]:
    """Fill a network from a file; (warnings, errors)."""
    if network._oldest and "EXPLICIT_BATCH" not in network._flags:
        return (), (Fault(IMPLICIT_BATCH),)
    if not data:  # no error, and no layers
        return (), ()
    try:
        model = onnx.load_from_string(data)
    except DecodeError:
        return (), (Fault("Failed to parse the ONNX model."),)
    found = list(_faults(model))
    # The checker lists every operator without an importer; everything else ends the parse where it stands.
    told = [fault for fault in found if fault.text == "false"] or found[:1]
    if not told:
        network._data, network._model = data, model
    return tuple(_warnings(model)), tuple(told)


def _faults(model: onnx.ModelProto) -> Iterator[Fault]:
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for index, node in enumerate(model.graph.node):
        text = _fault(node, constants)
        if text is not None:
            yield Fault(text, index, node.name, node.op_type)


def _fault(node: onnx.NodeProto, constants: Mapping[str, NDArray[Any]]) -> str | None:
    if node.op_type in NO_IMPORTER:
        return "false"
    if not onnx.defs.has(node.op_type):  # a foreign operator that has the name of a standard one is taken for it
        return PLUGIN
    if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
        return None
    stored = constants.get(node.input[0])
    if node.op_type == "DequantizeLinear" and stored is not None and stored.dtype == "int32":
        return INT32_BIAS
    zero_point = constants.get(node.input[2]) if len(node.input) > 2 else None
    return ASYMMETRIC if zero_point is not None and zero_point.any() else None


def _warnings(model: onnx.ModelProto) -> Iterator[str]:
    unsigned = {tensor.name for tensor in model.graph.initializer if tensor.data_type == TensorProto.UINT8}
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and unsigned & set(node.input[2:]):
            yield SILENTLY_SIGNED
