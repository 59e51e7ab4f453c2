"""Spatial means as global average pooling: the one form that every TensorRT from 8.5 on reads alike.

torch.export turns pooling into ReduceMean, whose axes are an input from opset 18 on; the parsers of
TensorRT 8 ignore that input and reduce every axis, the batch too, without a word.
"""

from __future__ import annotations

import onnx
from onnx import GraphProto, NodeProto, helper, numpy_helper

_SPATIAL = ([2, 3], [-2, -1])


def pool_globally(model: onnx.ModelProto) -> None:
    """Replace each ReduceMean over height and width of a 4-D tensor, in place."""
    inferred = onnx.shape_inference.infer_shapes(model)
    ranks = {v.name: len(v.type.tensor_type.shape.dim) for v in inferred.graph.value_info}
    axes = {
        i.name: numpy_helper.to_array(i).tolist()
        for i in model.graph.initializer
        if i.data_type == onnx.TensorProto.INT64
    }
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        spatial = node.op_type == "ReduceMean" and len(node.input) == 2 and axes.get(node.input[1]) in _SPATIAL
        nodes.extend(_pooled(node) if spatial and ranks.get(node.input[0]) == 4 else [node])
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _drop_unread(model.graph)


def _pooled(node: NodeProto) -> list[NodeProto]:
    keep = {a.name: a.i for a in node.attribute}.get("keepdims", 1)
    source, target = node.input[0], node.output[0]
    if keep:
        return [helper.make_node("GlobalAveragePool", [source], [target], name=node.name)]
    inner = f"{target}_pooled"
    return [
        helper.make_node("GlobalAveragePool", [source], [inner], name=node.name),
        helper.make_node("Flatten", [inner], [target], name=f"{node.name}_flatten", axis=1),
    ]


def _drop_unread(graph: GraphProto) -> None:
    read = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    kept = [i for i in graph.initializer if i.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
