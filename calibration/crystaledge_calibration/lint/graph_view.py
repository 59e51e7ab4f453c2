"""An ONNX graph, indexed: who makes a tensor, who reads it, what is constant.

Nodes are those of the main graph. Nodes inside the branches of If, the bodies of Loop and Scan and
local functions are listed apart, and what they capture counts as read by the node that holds them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import onnx

from crystaledge_calibration.lint.constants import Constant, constants_of

_DEFAULT_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operator of a graph."""

    label: str
    """Its name, or its operator and place where it has none."""
    op_type: str
    domain: str
    """Empty for standard ONNX operators."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    reads: tuple[str, ...]
    """Inputs, and what its subgraphs read."""
    proto: onnx.NodeProto

    @property
    def has_subgraph(self) -> bool:
        """Whether it holds a graph of its own, as If and Loop do."""
        return any(True for _ in _subgraphs(self.proto))

    def attribute(self, name: str) -> onnx.AttributeProto | None:
        """The attribute of that name."""
        return next((a for a in self.proto.attribute if a.name == name), None)

    def integer(self, name: str, default: int) -> int:
        """The value of an integer attribute."""
        found = self.attribute(name)
        return int(found.i) if found is not None and found.type == onnx.AttributeProto.INT else default

    def input(self, index: int) -> str:
        """The tensor at an input; empty where that input is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""

    @property
    def output(self) -> str:
        """The first output; empty where a broken file gives it none."""
        return self.outputs[0] if self.outputs else ""


@dataclass(frozen=True, slots=True, eq=False)
class GraphView:
    """A model and its index."""

    model: onnx.ModelProto
    nodes: tuple[Node, ...]
    inner_nodes: tuple[Node, ...]
    """Nodes of subgraphs and local functions."""
    inputs: tuple[str, ...]
    """Without initializers, which old files list among the inputs."""
    outputs: tuple[str, ...]
    constants: Mapping[str, Constant]
    """Initializers and the outputs of Constant nodes, by name."""
    _makers: Mapping[str, Node]
    _readers: Mapping[str, tuple[Node, ...]]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> GraphView:
        """Index a model."""
        graph = model.graph
        nodes = tuple(_node(proto, index) for index, proto in enumerate(graph.node))
        constants = constants_of(graph)
        readers: dict[str, list[Node]] = {}
        for node in nodes:
            for name in dict.fromkeys(node.reads):
                readers.setdefault(name, []).append(node)
        return cls(
            model=model,
            nodes=nodes,
            inner_nodes=tuple(_inner_nodes(model)),
            inputs=tuple(v.name for v in graph.input if v.name not in constants),
            outputs=tuple(v.name for v in graph.output),
            constants=constants,
            _makers={name: node for node in nodes for name in node.outputs if name},
            _readers={name: tuple(found) for name, found in readers.items()},
        )

    @property
    def opset(self) -> int | None:
        """Version of the standard operators; None where the file imports none."""
        found = [int(entry.version) for entry in self.model.opset_import if entry.domain in _DEFAULT_DOMAINS]
        return max(found, default=None)

    def maker(self, tensor: str, *, through: Collection[str] = ()) -> Node | None:
        """The node that makes a tensor, beyond operators in `through`; None for inputs and initializers."""
        return self._makers.get(self.origin(tensor, through=through))

    def readers(self, tensor: str) -> tuple[Node, ...]:
        """Nodes that read a tensor, in the graph's order."""
        return self._readers.get(tensor, ())

    def origin(self, tensor: str, *, through: Collection[str]) -> str:
        """Where a tensor comes from, going back over the first input of operators in `through`."""
        seen = {tensor}
        while (node := self._makers.get(tensor)) is not None and node.op_type in through and node.input(0):
            tensor = node.inputs[0]
            if tensor in seen:  # a broken file can have cycles; `wiring` says so
                break
            seen.add(tensor)
        return tensor

    def reach(self, tensor: str, *, through: Collection[str] | None = None) -> tuple[str, ...]:
        """The tensor and all that is made from it by operators in `through` (None: by any)."""
        found = {tensor: None}
        waiting = [tensor]
        while waiting:
            for node in self.readers(waiting.pop()):
                if through is None or node.op_type in through:
                    new = [name for name in node.outputs if name and name not in found]
                    found.update(dict.fromkeys(new))
                    waiting += new
        return tuple(found)

    def ancestors(self, tensor: str, *, through: Collection[str] | None = None) -> frozenset[Node]:
        """Nodes that a tensor is made by, going on only over operators in `through` (None: over any)."""
        found: dict[Node, None] = {}
        waiting = [tensor]
        while waiting:
            node = self._makers.get(waiting.pop())
            if node is not None and node not in found:
                found[node] = None
                if through is None or node.op_type in through:
                    waiting += node.reads
        return frozenset(found)


def _node(proto: onnx.NodeProto, index: int) -> Node:
    domain = "" if proto.domain in _DEFAULT_DOMAINS else proto.domain
    inputs = tuple(proto.input)
    captured = tuple(name for graph in _subgraphs(proto) for name in _read_inside(graph))
    return Node(
        label=proto.name or f"{proto.op_type or 'node'} #{index}",
        op_type=proto.op_type,
        domain=domain,
        inputs=inputs,
        outputs=tuple(proto.output),
        reads=tuple(name for name in (*inputs, *captured) if name),
        proto=proto,
    )


def _subgraphs(proto: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in proto.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _read_inside(graph: onnx.GraphProto) -> Iterator[str]:
    for proto in graph.node:
        yield from proto.input
        for inner in _subgraphs(proto):
            yield from _read_inside(inner)
    yield from (value.name for value in graph.output)  # a branch may pass an outer tensor on as it is


def _inner_nodes(model: onnx.ModelProto) -> Iterator[Node]:
    for proto in model.graph.node:
        yield from _nodes_below(proto)
    for function in model.functions:
        for index, proto in enumerate(function.node):
            yield _node(proto, index)
            yield from _nodes_below(proto)


def _nodes_below(proto: onnx.NodeProto) -> Iterator[Node]:
    for graph in _subgraphs(proto):
        for index, inner in enumerate(graph.node):
            yield _node(inner, index)
            yield from _nodes_below(inner)
