"""Bias correction: what quantization adds to each output channel on average is taken out of its bias.

Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction (2019), section
4.2, with the averages measured in closed loop on the calibration sequences: float and candidate each
run on their own state, node after node in the order in which they run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from crystaledge.manifest.model import GraphSpec
from crystaledge_calibration.sequence_set import Batch
from crystaledge_calibration.split import SplitStep
from crystaledge_calibration.step_model import WeightedNode, weighted_nodes, weights_of, with_weights

Array = NDArray[np.float32]
Rebuild = Callable[[ModelProto], ModelProto]
"""From a float model (with corrected biases) to its Q/DQ form."""


def bias_corrected(graph: GraphSpec, model: ModelProto, rebuild: Rebuild, *batches: Batch, threads: int) -> ModelProto:
    """The float model with biases such that its Q/DQ form has the float form's mean in every channel.

    Args:
        model: the float graph that `rebuild` quantizes.
        batches: sequences to average over.
    """
    nodes = [node for node in weighted_nodes(model) if node.bias is not None]
    wanted = _channel_means(graph, model, nodes, batches, threads)
    for index, node in enumerate(nodes):
        found = _channel_means(graph, rebuild(model), nodes[index : index + 1], batches, threads)
        assert node.bias is not None
        bias = weights_of(model)[node.bias].astype(np.float32)
        model = with_weights(model, {node.bias: bias + (wanted[node.name] - found[node.name])})
    return model


def _channel_means(
    graph: GraphSpec, model: ModelProto, nodes: list[WeightedNode], batches: Sequence[Batch], threads: int
) -> dict[str, Array]:
    """Mean of each node's output per channel, over distinct frames or, behind the state, over all steps."""
    split = SplitStep(graph, model, [node.output for node in nodes], threads=threads)
    total = {node.output: np.zeros(1) for node in nodes}
    count = dict.fromkeys(total, 0)

    def take(outputs: Mapping[str, Array], names: Iterable[str]) -> None:
        for name in names:
            values = outputs[name]
            total[name] = total[name] + values.mean(axis=tuple(range(2, values.ndim)), dtype=np.float64).sum(axis=0)
            count[name] += len(values)

    for batch in batches:
        encoded = []
        for part in split.encode(batch.frames):
            take(part, split.front_tensors)
            encoded.append({name: part[name] for name in split.frontier})
        if split.back_tensors:
            for outputs in split.roll(batch, encoded):
                take(outputs, split.back_tensors)
    return {node.name: (total[node.output] / count[node.output]).astype(np.float32) for node in nodes}
