"""Graphs of a bundle, spoiled one constant at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.manifest.model import FileRole

Change = Callable[[onnx.ModelProto], None]


def change_constant(name: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Change:
    """A change of one constant; its type stays."""

    def apply(model: onnx.ModelProto) -> None:
        found = next(one for one in model.graph.initializer if one.name == name)
        value = numpy_helper.to_array(found)
        found.CopyFrom(numpy_helper.from_array(change(value).astype(value.dtype), name))

    return apply


def spoiled(bundle: Bundle, change: Change, names: tuple[str, ...]) -> Bundle:
    """The bundle with a change made to some of its graphs."""
    for name in names:
        model = model_of_graph(bundle, name)
        change(model)
        bundle = with_graph(bundle, name, model)
    return bundle


def with_graph(bundle: Bundle, name: str, model: onnx.ModelProto) -> Bundle:
    """The bundle with another file in the place of a graph's."""
    graph = bundle.graph(name)
    return update_bundle(bundle, bundle.manifest, (Part(graph.file, FileRole.GRAPH, serialized(model)),))


def model_of_graph(bundle: Bundle, name: str) -> onnx.ModelProto:
    """A graph of a bundle, to be spoiled."""
    return onnx.load_from_string(bundle.graph_bytes(bundle.graph(name)))


def serialized(model: onnx.ModelProto) -> bytes:
    """Equal models give equal bytes."""
    data: bytes = model.SerializeToString(deterministic=True)
    return data
