"""A float32 step graph with its heavy operators in float16, as strong typing wants it: written in the file.

The border, the state, the gates and everything else that remembers stay float32; a Cast stands where a
tensor crosses. Weights of half operators are stored in float16, which halves the file.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from crystaledge.errors import UsageError
from crystaledge.manifest.model import GraphSpec, Precision
from crystaledge_calibration.step_model import WEIGHTED_OPS

_TRUNK_OPS = frozenset({"Relu", "Add", "GlobalAveragePool", "AveragePool", "MaxPool", "Flatten", "Identity"})
"""Operators that are computed in float16 where they lie between heavy ones and do not depend on the state."""
HALF_RULES = 1
"""Version of what is written here: an engine that was made by other rules is built again."""
_LARGEST = float(np.finfo(np.float16).max)


def half_graph(model: ModelProto, graph: GraphSpec) -> ModelProto:
    """The float16 form of a float32 graph; the border stays the same.

    Raises:
        UsageError: the graph is quantized, or a weight lies beyond what float16 can hold.
    """
    if graph.precision is not Precision.FLOAT32:
        msg = f"The graph {graph.name!r} is {graph.precision.value}; float16 is made from the float32 graph."
        raise UsageError(msg)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    chosen = half_nodes(copy, {pair.input for pair in graph.states})
    _halve_weights(copy, chosen)
    _cross(copy, chosen)
    return copy


def half_nodes(model: ModelProto, states: Collection[str]) -> frozenset[int]:
    """Places of the nodes that become float16: heavy ones that read no output of the graph, and the trunk between."""
    outputs = {value.name for value in model.graph.output}
    weights = {initializer.name for initializer in model.graph.initializer}
    remembers = set(states)
    half_tensors: set[str] = set()
    chosen: set[int] = set()
    for place, node in enumerate(model.graph.node):
        depends = bool(remembers & set(node.input))
        if depends:
            remembers |= set(node.output)
        heavy = node.op_type in WEIGHTED_OPS and node.input[0] not in outputs
        data = [name for name in node.input if name and name not in weights]
        trunk = node.op_type in _TRUNK_OPS and not depends and all(name in half_tensors for name in data)
        if heavy or trunk:
            chosen.add(place)
            half_tensors |= set(node.output)
    return frozenset(chosen)


def _halve_weights(model: ModelProto, chosen: Collection[int]) -> None:
    """Give half nodes float16 weights; one that a float node reads too gets a copy."""
    known = {i.name: i for i in model.graph.initializer if i.data_type == TensorProto.FLOAT}
    nodes = list(model.graph.node)
    elsewhere = {name for place, node in enumerate(nodes) if place not in chosen for name in node.input}
    names = dict.fromkeys(name for place in sorted(chosen) for name in nodes[place].input if name in known)
    for name in names:
        values = numpy_helper.to_array(known[name])
        if np.abs(values).max(initial=0.0) > _LARGEST:
            msg = f"The weight {name!r} does not fit into float16; build this graph in float32."
            raise UsageError(msg)
        half = f"{name}_half" if name in elsewhere else name
        stored = numpy_helper.from_array(values.astype(np.float16), half)
        if name in elsewhere:
            model.graph.initializer.append(stored)
        else:
            known[name].CopyFrom(stored)
        for place in chosen:
            for at, read in enumerate(nodes[place].input):
                if read == name:
                    nodes[place].input[at] = half


def _cross(model: ModelProto, chosen: Collection[int]) -> None:
    """Rename what half nodes make, and cast where a float node or the border reads it, or the other way round."""
    weights = {initializer.name for initializer in model.graph.initializer}
    everything = list(enumerate(model.graph.node))
    half = {name for place, node in everything if place in chosen for name in node.output}
    wanted = {name for place, node in everything if place not in chosen for name in node.input}
    wanted |= {value.name for value in model.graph.output}
    nodes: list[NodeProto] = []
    cast: set[str] = set()
    for place, node in everything:
        if place not in chosen:
            nodes.append(node)
            continue
        for at, name in enumerate(node.input):
            if name and name not in weights:
                node.input[at] = f"{name}_half"
                if name not in half and name not in cast:
                    cast.add(name)
                    nodes.append(_cast(name, f"{name}_half", TensorProto.FLOAT16))
        made = list(node.output)
        for at, name in enumerate(made):
            node.output[at] = f"{name}_half"
        nodes.append(node)
        nodes += [_cast(f"{name}_half", name, TensorProto.FLOAT) for name in made if name in wanted]
    del model.graph.node[:]
    del model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model.CopyFrom(onnx.shape_inference.infer_shapes(model))


def _cast(source: str, target: str, kind: int) -> NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}_cast", to=kind)
