"""ONNX models with a tensor in every place where one can be, written down by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Put = Callable[[onnx.ModelProto, TensorProto], None]


def inside_tensor(name: str = "weight") -> TensorProto:
    """A tensor that carries its own data."""
    return numpy_helper.from_array(np.arange(4, dtype=np.float32), name)


def outside_tensor(name: str = "weight") -> TensorProto:
    """A tensor whose data lies in another file."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../secret.bin")
    return tensor


def empty_model() -> onnx.ModelProto:
    """A model that adds its input to itself."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "g",
        [value("x", TensorProto.FLOAT, ["batch", 4])],
        [value("y", TensorProto.FLOAT, ["batch", 4])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def model_with(put: Put, tensor: TensorProto) -> onnx.ModelProto:
    """An otherwise empty model with a tensor put somewhere."""
    model = empty_model()
    put(model, tensor)
    return model


def _branch(tensor: TensorProto) -> onnx.GraphProto:
    return helper.make_graph([], "branch", [], [], [tensor])


def _if_node(tensor: TensorProto) -> onnx.NodeProto:
    return helper.make_node("If", ["condition"], ["out"], then_branch=_branch(tensor), else_branch=_branch(tensor))


def _initializer(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.graph.initializer.append(tensor)


def _attribute(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))


def _attribute_list(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.graph.node.append(helper.make_node("Custom", [], ["c"], values=[inside_tensor(), tensor]))


def _subgraph(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.graph.node.append(_if_node(tensor))


def _subgraph_of_a_subgraph(model: onnx.ModelProto, tensor: TensorProto) -> None:
    outer = helper.make_graph([_if_node(tensor)], "outer", [], [])
    model.graph.node.append(helper.make_node("If", ["condition"], ["out"], then_branch=outer, else_branch=outer))


def _subgraph_list(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.graph.node.append(helper.make_node("Custom", [], ["c"], bodies=[_branch(tensor)]))


def _sparse(values: TensorProto, indices: TensorProto) -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=values, indices=indices, dims=[8])


def _sparse_values(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.graph.sparse_initializer.append(_sparse(tensor, inside_tensor("indices")))


def _sparse_indices(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.graph.sparse_initializer.append(_sparse(inside_tensor(), tensor))


def _sparse_attribute(model: onnx.ModelProto, tensor: TensorProto) -> None:
    sparse = _sparse(tensor, inside_tensor("indices"))
    model.graph.node.append(helper.make_node("Constant", [], ["c"], sparse_value=sparse))


def _sparse_attribute_list(model: onnx.ModelProto, tensor: TensorProto) -> None:
    node = model.graph.node.add(op_type="Custom", output=["c"])
    sparse = [_sparse(inside_tensor(), inside_tensor("indices")), _sparse(tensor, inside_tensor("indices"))]
    node.attribute.add(name="values", type=onnx.AttributeProto.SPARSE_TENSORS, sparse_tensors=sparse)


def _function(model: onnx.ModelProto, tensor: TensorProto) -> None:
    body = helper.make_node("Constant", [], ["c"], value=tensor)
    model.functions.append(helper.make_function("house", "f", [], ["c"], [body], [helper.make_opsetid("", 18)]))


def _function_default(model: onnx.ModelProto, tensor: TensorProto) -> None:
    function = helper.make_function("house", "f", [], [], [], [helper.make_opsetid("", 18)])
    function.attribute_proto.append(helper.make_attribute("value", tensor))
    model.functions.append(function)


def _training_info(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.training_info.add().initialization.initializer.append(tensor)


PLACES: Mapping[str, Put] = {
    "initializer": _initializer,
    "attribute": _attribute,
    "attribute-list": _attribute_list,
    "subgraph": _subgraph,
    "subgraph-of-a-subgraph": _subgraph_of_a_subgraph,
    "subgraph-list": _subgraph_list,
    "sparse-values": _sparse_values,
    "sparse-indices": _sparse_indices,
    "sparse-attribute": _sparse_attribute,
    "sparse-attribute-list": _sparse_attribute_list,
    "function": _function,
    "default-of-a-function": _function_default,
    "training-info": _training_info,
}
"""Every way in which onnx.proto reaches a TensorProto."""


def keeps_data_outside(message: Any) -> bool:
    """Whether any tensor below a protobuf message has external data, by the protobuf library's own eyes."""
    if isinstance(message, TensorProto):
        return message.data_location == TensorProto.EXTERNAL or len(message.external_data) > 0
    return any(keeps_data_outside(child) for _, value in message.ListFields() for child in _messages(value))


def _messages(value: Any) -> Iterator[Any]:
    if hasattr(value, "ListFields"):
        yield value
    elif not isinstance(value, (str, bytes)) and hasattr(value, "__iter__"):
        yield from (item for item in value if hasattr(item, "ListFields"))
