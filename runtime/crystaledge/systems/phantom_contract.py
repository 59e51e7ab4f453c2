"""The tensors of Phantom's graphs by name, and the check that a bundle has them."""

from __future__ import annotations

from collections.abc import Mapping

from crystaledge.detection.camera_view import BOX, FEATURES, LOGIT
from crystaledge.detection.codec import STRIDE_PX
from crystaledge.detection.detector import IMAGE
from crystaledge.errors import ContractError
from crystaledge.manifest.model import GraphSpec, Manifest, Precision, detection_decision

ROI, PATCH, HIDDEN, HIDDEN_NEXT = "roi", "patch", "hidden", "hidden_next"
BOX_DELTA, SCORE, VELOCITY, BIRTH = "box_delta", "score", "velocity", "birth"
Size = tuple[int, int]


def detector_graphs(manifest: Manifest, like: GraphSpec | None = None) -> Mapping[Size, GraphSpec]:
    """The detector's graphs by the size of image that they take, in pixels.

    Args:
        like: one of them; the others are those of the same precision and target. None takes the float ones.

    Raises:
        ContractError: `like` is no detector, the graph of a size that is needed is missing, or maps do not fit.
    """
    family = (Precision.FLOAT32, None) if like is None else (like.precision, like.target)
    if like is not None and [spec.name for spec in like.inputs] != [IMAGE]:
        msg = f"The graph {like.name!r} finds nothing in an image; name one that does, such as the bundle's first."
        raise ContractError(msg)
    found = {}
    for graph in manifest.graphs:
        if (graph.precision, graph.target) == family and [spec.name for spec in graph.inputs] == [IMAGE]:
            _, height, width = graph.input(IMAGE).row_shape
            _check_maps(graph, (height // STRIDE_PX, width // STRIDE_PX))
            found[height, width] = graph
    height, width = manifest.preprocessing.size_hw
    for octave in range(detection_decision(manifest.decision, where="The bundle").octaves):
        size = height >> octave, width >> octave
        if size not in found:
            msg = f"A Phantom bundle has a {family[0].value} graph for {size[0]}x{size[1]} px; this one has not."
            raise ContractError(msg)
    return found


def track_graph(manifest: Manifest) -> GraphSpec:
    """The step graph that looks at tracks.

    Raises:
        ContractError: there is none, or its state is another.
    """
    for graph in manifest.graphs:
        names = {spec.name for spec in graph.inputs}
        pairs = [(pair.input, pair.output) for pair in graph.states]
        if (graph.precision, names, pairs) == (Precision.FLOAT32, {ROI, PATCH, HIDDEN}, [(HIDDEN, HIDDEN_NEXT)]):
            return graph
    msg = f"A Phantom bundle has a step graph with the inputs {ROI!r}, {PATCH!r} and the state {HIDDEN!r}; this not."
    raise ContractError(msg)


def _check_maps(graph: GraphSpec, cells: Size) -> None:
    shapes = {spec.name: spec.row_shape for spec in graph.outputs}
    for name, channels in ((LOGIT, 1), (BOX, 4), (FEATURES, None)):
        shape = shapes.get(name)
        if shape is None or shape[1:] != cells or channels not in (None, shape[0]):
            msg = f"A Phantom graph has maps {name!r} of {list(cells)} cells; {graph.name!r} has {shape or 'none'}."
            raise ContractError(msg)
