"""Which layer of which graph is at fault where a family fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from crystaledge_calibration.image_records import ImageFault
from crystaledge_calibration.layers import layer_errors

Array = NDArray[np.float32]
_IMAGES = 16


def fault_in(
    graph: str,
    strangers: Mapping[str, Sequence[str]],
    suspects: Mapping[str, tuple[tuple[ModelProto, ModelProto], Array]],
) -> ImageFault:
    """A constant that the graph does not share with its family, else its first layer that is off by itself.

    Args:
        graph: the one that failed first.
        strangers: what each graph does not share with that of whole images.
        suspects: of each graph the float and the deployed model, and images for them.
    """
    if strangers[graph]:
        return ImageFault(graph=graph, node=strangers[graph][0], tensor="", error=0.0)
    (float32, deployed), images = suspects[graph]
    image = float32.graph.input[0].name
    rows, culprit = layer_errors(float32, deployed, {image: images[:_IMAGES]})
    if culprit is not None:
        return ImageFault(graph=graph, node=culprit.node, tensor=culprit.tensor, error=culprit.error)
    worst = max(rows, key=lambda row: row.error)
    return ImageFault(graph=graph, node="", tensor=worst.tensor, error=worst.error)
