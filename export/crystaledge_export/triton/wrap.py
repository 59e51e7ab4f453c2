"""A step graph as Triton's sequence batcher calls it: with START, READY and CORRID beside the observation.

START puts a track back to its declared initial state inside of the graph, whatever the server's memory
holds; READY keeps the state of a slot that has no request in this batch; CORRID comes back as `track`,
so that an answer says whose it is.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from crystaledge.manifest.model import GraphSpec
from crystaledge.tensors import BATCH, StatePair
from crystaledge_export.triton.backend import TritonBackend, track_type

START, READY, CORRID, TRACK = "START", "READY", "CORRID", "track"


def with_controls(model: ModelProto, graph: GraphSpec, backend: TritonBackend) -> ModelProto:
    """The graph with control inputs; everything else keeps its name and meaning."""
    kind = track_type(backend).onnx
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    body = copy.graph
    first, last = list[NodeProto](), list[NodeProto]()
    for pair in graph.states:
        _rename(copy, pair)
        body.initializer.append(numpy_helper.from_array(np.array(pair.initial, np.float32), _initial(pair)))
        start, ready = (_broadcast(body, control, pair, nodes) for control, nodes in ((START, first), (READY, last)))
        first.append(helper.make_node("Where", [start, _initial(pair), pair.input], [_read(pair)], name=_read(pair)))
        last.append(
            helper.make_node("Where", [ready, _made(pair), pair.input], [pair.output], name=f"{pair.output}_kept")
        )
    last.append(helper.make_node("Identity", [CORRID], [TRACK], name=TRACK))
    nodes = [*first, *body.node, *last]
    del body.node[:]
    body.node.extend(nodes)
    body.input.extend([_value(START, TensorProto.BOOL), _value(READY, TensorProto.BOOL), _value(CORRID, kind)])
    body.output.append(_value(TRACK, kind))
    return copy


def _broadcast(body: GraphProto, control: str, pair: StatePair, nodes: list[NodeProto]) -> str:
    """A control `(B, 1)` in as many axes as a state has: broadcasting would begin at the wrong end."""
    if len(pair.shape) == 1:
        return control
    name = f"{control}_{pair.input}"
    body.initializer.append(numpy_helper.from_array(np.array([-1, *[1] * len(pair.shape)], np.int64), f"{name}_shape"))
    nodes.append(helper.make_node("Reshape", [control, f"{name}_shape"], [name], name=name))
    return name


def _rename(model: ModelProto, pair: StatePair) -> None:
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == pair.input:
                node.input[place] = _read(pair)
            elif name == pair.output:  # heads read the state that was just made
                node.input[place] = _made(pair)
        for place, name in enumerate(node.output):
            if name == pair.output:
                node.output[place] = _made(pair)


def _value(name: str, kind: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [BATCH, 1])


def _initial(pair: StatePair) -> str:
    return f"{pair.input}_initial"


def _read(pair: StatePair) -> str:
    return f"{pair.input}_read"


def _made(pair: StatePair) -> str:
    return f"{pair.output}_made"
