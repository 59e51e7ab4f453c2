"""Looks into an ONNX file without the onnx package, far enough to find external data.

A tensor stored outside its file could make the engine read any path of the device, and no hash of
the bundle would cover it. Only the protobuf wire format is read here (protobuf encoding guide;
field numbers from onnx.proto3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum

from crystaledge.errors import BundleError


class _Message(Enum):
    MODEL = "ModelProto"
    GRAPH = "GraphProto"
    NODE = "NodeProto"
    ATTRIBUTE = "AttributeProto"
    TENSOR = "TensorProto"
    SPARSE = "SparseTensorProto"
    FUNCTION = "FunctionProto"
    TRAINING = "TrainingInfoProto"


_CHILDREN: Mapping[_Message, Mapping[int, _Message]] = {
    _Message.MODEL: {7: _Message.GRAPH, 20: _Message.TRAINING, 25: _Message.FUNCTION},
    _Message.GRAPH: {1: _Message.NODE, 5: _Message.TENSOR, 15: _Message.SPARSE},
    _Message.NODE: {5: _Message.ATTRIBUTE},
    _Message.ATTRIBUTE: {
        5: _Message.TENSOR,
        6: _Message.GRAPH,
        10: _Message.TENSOR,
        11: _Message.GRAPH,
        22: _Message.SPARSE,
        23: _Message.SPARSE,
    },
    _Message.SPARSE: {1: _Message.TENSOR, 2: _Message.TENSOR},
    _Message.FUNCTION: {7: _Message.NODE, 11: _Message.ATTRIBUTE},
    _Message.TRAINING: {1: _Message.GRAPH, 2: _Message.GRAPH},
    _Message.TENSOR: {},
}
_TENSOR_EXTERNAL_DATA = 13
_TENSOR_DATA_LOCATION = 14
_MAX_DEPTH = 64


def refuse_external_data(model: bytes, *, where: str) -> None:
    """Raise `BundleError` if any tensor of the model lies outside the file, or the file is no protobuf."""
    try:
        found = _has_external_data(memoryview(model), _Message.MODEL, 0)
    except (IndexError, ValueError) as error:
        msg = f"{where} is not a readable ONNX file: {error}."
        raise BundleError(msg) from error
    if found:
        msg = f"{where} keeps tensors in another file (external data); a bundle's graph must be whole. Export it again."
        raise BundleError(msg)


def _has_external_data(data: memoryview, message: _Message, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        msg = "messages are nested too deeply"
        raise ValueError(msg)
    children = _CHILDREN[message]
    for field, value in _fields(data):
        if message is _Message.TENSOR and field == _TENSOR_EXTERNAL_DATA:
            return True
        if message is _Message.TENSOR and field == _TENSOR_DATA_LOCATION and _is_external(value):
            return True
        child = children.get(field)
        if child is not None and isinstance(value, memoryview) and _has_external_data(value, child, depth + 1):
            return True
    return False


def _is_external(value: int | memoryview) -> bool:
    # Readers keep the low 32 bits of an enumeration.
    return isinstance(value, int) and value & 0xFFFFFFFF == 1


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        if key >= 1 << 32:  # other readers drop the high bits, and would see another field
            msg = f"the field number at byte {position} is too large"
            raise ValueError(msg)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield field, value
            continue
        if wire == 2:
            length, position = _varint(data, position)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            msg = f"wire type {wire} at byte {position}"
            raise ValueError(msg)
        if position + length > len(data):
            msg = f"a field of {length} bytes ends after the file"
            raise ValueError(msg)
        yield field, data[position : position + length]
        position += length


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            msg = "the file ends inside a number"
            raise ValueError(msg)
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    msg = f"a number at byte {position} is too long"
    raise ValueError(msg)
