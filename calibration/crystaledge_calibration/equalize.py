"""Cross-layer equalisation: channels of one tensor are scaled to one range, and the weights around it undo it.

ReLU and mean commute with a positive scale per channel, so the float function stays the same. Nagel
et al., Data-Free Quantization Through Weight Equalization and Bias Correction (2019), balance
weights against weights; here weights are int8 per output channel anyway, so what is balanced is the
range of an activation against the weights that read it: s = a^m / w^(1 - m), as in SmoothQuant
(Xiao et al., 2023). A depthwise reader takes any scale for free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from crystaledge_calibration.ranges import Observations
from crystaledge_calibration.step_model import WeightedNode, weighted_nodes, weights_of, with_weights

Array = NDArray[np.float32]
_TRANSPARENT_AFTER = frozenset({"ReduceMean", "GlobalAveragePool", "Flatten"})
_SMALLEST = 1e-6
_WIDEST = 8.0
"""No channel is scaled further than by this factor: a nearly dead one is noise, not range."""


@dataclass(frozen=True, slots=True)
class Site:
    """A rectified tensor between weighted nodes."""

    tensor: str
    writers: tuple[WeightedNode, ...]
    """Their sum, rectified, is the tensor."""
    readers: tuple[WeightedNode, ...]


def equalized(model: ModelProto, seen: Mapping[str, Observations], *, migration: float) -> ModelProto:
    """The same function with evener channels.

    Args:
        seen: observations of every tensor that feeds a weighted node.
        migration: m in [0, 1]; 0 evens out the weights, 1 the activations.
    """
    weights = {name: value.astype(np.float32) for name, value in weights_of(model).items() if value.dtype == np.float32}
    for site in sites(model):
        if site.tensor in seen:
            scale = _scale(site, seen[site.tensor], weights, migration)
            _apply(site, scale, weights)
    return with_weights(model, weights)


def sites(model: ModelProto) -> tuple[Site, ...]:
    """Where a positive scale per channel can be moved from the writers of a tensor into its readers."""
    weighted = {node.name: node for node in weighted_nodes(model)}
    makers = {name: node for node in model.graph.node for name in node.output}
    outputs = {v.name for v in model.graph.output}
    found = []
    for node in model.graph.node:
        if node.op_type != "Relu" or node.output[0] in outputs:
            continue
        writers = _writers(node.input[0], model, makers, weighted)
        readers = _readers(node.output[0], model, weighted)
        if writers and readers:
            found.append(Site(node.output[0], writers, readers))
    return tuple(found)


def scalable_tensors(model: ModelProto) -> frozenset[str]:
    """Tensors whose channels `equalized` may scale: from the outputs of a site's writers to what its readers read."""
    found = {name for site in sites(model) for name in (site.tensor, *(writer.output for writer in site.writers))}
    for node in model.graph.node:
        between = node.op_type == "Add" or node.op_type in _TRANSPARENT_AFTER
        if between and all(name in found for name in node.input[: 2 if node.op_type == "Add" else 1]):
            found.add(node.output[0])
    return frozenset(found)


def _writers(
    tensor: str, model: ModelProto, makers: Mapping[str, NodeProto], weighted: Mapping[str, WeightedNode]
) -> tuple[WeightedNode, ...]:
    """The weighted nodes whose sum a tensor is; empty where anything else takes part, or reads it too."""
    node = makers.get(tensor)
    if node is None or sum(tensor in other.input for other in model.graph.node) != 1:
        return ()
    if node.name in weighted:
        return (weighted[node.name],)
    if node.op_type != "Add":
        return ()
    sides = [_writers(name, model, makers, weighted) for name in node.input]
    return tuple(writer for side in sides for writer in side) if all(sides) else ()


def _readers(tensor: str, model: ModelProto, weighted: Mapping[str, WeightedNode]) -> tuple[WeightedNode, ...]:
    """The weighted nodes that read a tensor, averages looked through; empty where anything else reads it."""
    found: list[WeightedNode] = []
    for node in model.graph.node:
        if tensor not in node.input:
            continue
        if node.name in weighted and weighted[node.name].data == tensor:
            if weighted[node.name].grouped:
                return ()
            found.append(weighted[node.name])
            continue
        inner = _readers(node.output[0], model, weighted) if node.op_type in _TRANSPARENT_AFTER else ()
        if not inner:
            return ()
        found.extend(inner)
    return tuple(found)


def _scale(site: Site, seen: Observations, weights: Mapping[str, Array], migration: float) -> Array:
    """What each channel is divided by; the geometric mean stays 1."""
    activation = np.maximum(np.maximum(np.abs(seen.channel_low), np.abs(seen.channel_high)), _SMALLEST)
    bound = [r for r in site.readers if not r.depthwise]
    if bound:
        largest = np.max([_reach(weights[r.weight], r.input_axis) for r in bound], axis=0)
        raw = activation**migration / np.maximum(largest, _SMALLEST) ** (1.0 - migration)
    else:
        raw = activation
    even = raw / np.exp(np.mean(np.log(raw)))
    limited: Array = np.clip(even, 1.0 / _WIDEST, _WIDEST).astype(np.float32)
    return limited


def _apply(site: Site, scale: Array, weights: dict[str, Array]) -> None:
    for writer in site.writers:
        weights[writer.weight] = weights[writer.weight] / _along(scale, weights[writer.weight], writer.channel_axis)
        if writer.bias is not None:
            weights[writer.bias] = weights[writer.bias] / scale
    for reader in site.readers:
        weights[reader.weight] = weights[reader.weight] * _along(scale, weights[reader.weight], reader.input_axis)


def _reach(weight: Array, axis: int) -> Array:
    others = tuple(i for i in range(weight.ndim) if i != axis)
    reach: Array = np.abs(weight).max(axis=others)
    return reach


def _along(scale: Array, weight: Array, axis: int) -> Array:
    return scale.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
