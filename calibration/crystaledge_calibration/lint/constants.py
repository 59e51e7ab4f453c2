"""Tensors whose values are written in the file: initializers and Constant nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A tensor of the file."""

    name: str
    element_type: int
    """A value of `onnx.TensorProto.DataType`."""
    value: NDArray[Any] | None
    """None where the file's bytes do not make the tensor that they are said to be."""


def constants_of(graph: onnx.GraphProto) -> dict[str, Constant]:
    """Every constant of a graph by name; sparse ones have no value."""
    found = [_constant(tensor.name, tensor) for tensor in graph.initializer]
    found += [_sparse(tensor.values.name, tensor) for tensor in graph.sparse_initializer]
    for node in graph.node:
        if node.op_type == "Constant" and len(node.output) == 1:
            found += list(_of_attributes(node))
    return {constant.name: constant for constant in found if constant.name}


def type_name(element_type: int | None) -> str:
    """Name of an element type, for people."""
    if element_type not in TensorProto.DataType.values():
        return "unknown"
    return str(TensorProto.DataType.Name(element_type)).lower()


def _of_attributes(node: onnx.NodeProto) -> Iterator[Constant]:
    name = node.output[0]
    for attribute in node.attribute:
        if attribute.name == "value":
            yield _constant(name, attribute.t)
        elif attribute.name in ("value_float", "value_floats"):
            values = attribute.f if attribute.name == "value_float" else list(attribute.floats)
            yield Constant(name, TensorProto.FLOAT, np.array(values, np.float32))
        elif attribute.name in ("value_int", "value_ints"):
            values = attribute.i if attribute.name == "value_int" else list(attribute.ints)
            yield Constant(name, TensorProto.INT64, np.array(values, np.int64))
        elif attribute.name == "sparse_value":
            yield _sparse(name, attribute.sparse_tensor)


def _constant(name: str, tensor: TensorProto) -> Constant:
    return Constant(name, tensor.data_type, _value(tensor))


def _sparse(name: str, tensor: onnx.SparseTensorProto) -> Constant:
    return Constant(name, tensor.values.data_type, None)


def _value(tensor: TensorProto) -> NDArray[Any] | None:
    # The bytes come from a file that may be broken; external data would make the reader open any path.
    outside = tensor.data_location == TensorProto.EXTERNAL or len(tensor.external_data) > 0
    if outside or tensor.data_type == TensorProto.STRING or any(size < 0 for size in tensor.dims):
        return None
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
