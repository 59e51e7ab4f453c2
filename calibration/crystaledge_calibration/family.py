"""A family: the graphs of a bundle that hold one network without state at several image sizes."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import ModelProto

from crystaledge.bundle import Bundle
from crystaledge.errors import ContractError, UsageError
from crystaledge.manifest.model import GraphSpec, Precision

Size = tuple[int, int]
_IMAGE_AXES = 3


def reads_images(graph: GraphSpec) -> bool:
    """Whether an image is all that goes in, and nothing comes back."""
    shapes = [spec.row_shape for spec in graph.inputs]
    return not graph.states and len(shapes) == 1 and len(shapes[0]) == _IMAGE_AXES


def size_of(graph: GraphSpec) -> Size:
    """Height and width of the image that a graph reads."""
    _, height, width = graph.inputs[0].row_shape
    return height, width


def family_of(bundle: Bundle, name: str | None) -> tuple[GraphSpec, ...]:
    """The float graphs with the network of the named one (or the first), that of whole images first.

    Raises:
        UsageError: it is quantized already, or reads more than an image.
        ContractError: none of them takes whole images.
    """
    graph = bundle.graph(name)
    if graph.precision is not Precision.FLOAT32:
        msg = f"The graph {graph.name!r} is quantized already; name the float32 one, {graph.derived_from!r}."
        raise UsageError(msg)
    if not reads_images(graph):
        inputs = ", ".join(spec.name for spec in graph.inputs)
        msg = f"The graph {graph.name!r} reads {inputs}, which no folder of images holds; it stays in float32."
        raise UsageError(msg)
    network = _network(onnx.load_from_string(bundle.graph_bytes(graph)))
    floats = (g for g in bundle.manifest.graphs if g.precision is Precision.FLOAT32 and reads_images(g))
    members = [g for g in floats if _network(onnx.load_from_string(bundle.graph_bytes(g))) == network]
    whole = bundle.manifest.preprocessing.size_hw
    members.sort(key=lambda member: size_of(member) != whole)
    if size_of(members[0]) != whole:
        msg = f"No graph with the weights of {graph.name!r} takes whole images of {whole[0]}x{whole[1]} px."
        raise ContractError(msg)
    return tuple(members)


def resized(model: ModelProto, like: ModelProto) -> ModelProto:
    """A network with the border of another of its family: same nodes, same constants, another image size."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for mine, theirs in ((copy.graph.input, like.graph.input), (copy.graph.output, like.graph.output)):
        del mine[:]
        mine.extend(theirs)
    copy.graph.name = like.graph.name
    return copy


def differences(model: ModelProto, other: ModelProto) -> tuple[str, ...]:
    """Constants and nodes of `other` that are not those of `model`, by name; () within a family."""
    mine, theirs = _network(model), _network(other)
    ordered = dict.fromkeys([*mine, *theirs])
    return tuple(name for name in ordered if mine.get(name) != theirs.get(name))


def _network(model: ModelProto) -> Mapping[str, bytes]:
    """Nodes and constants by name, image sizes apart."""
    parts = {node.name: node.SerializeToString(deterministic=True) for node in model.graph.node}
    parts |= {one.name: one.SerializeToString(deterministic=True) for one in model.graph.initializer}
    return parts
