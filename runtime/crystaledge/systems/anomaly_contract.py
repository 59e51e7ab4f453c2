"""The tensors of an anomaly graph by name, and the check that a bundle has them; two systems share them."""

from __future__ import annotations

from crystaledge.errors import ContractError
from crystaledge.manifest.model import GraphSpec, Manifest

IMAGE = "image"
"""`(3, H, W)`."""
DISTANCE = "distance"
"""`(1, h, w)`, at least 0: how far each cell of the image is from normal."""
FEATURES = "features"
"""`(D, h, w)`: what was compared with the bank; only where the host re-ranks."""
MEMORY_FILE = "memory/bank.npz"
BANK = "bank"
"""`(M, D)` float16 in the memory file."""


def check_contract(manifest: Manifest, graph: GraphSpec, *, features: bool) -> None:
    """Refuse a bundle whose parts fit the manifest's grammar but not an anomaly system.

    Args:
        features: the host needs the features of every cell.

    Raises:
        ContractError: a tensor is missing, or sizes contradict each other.
    """
    image = (3, *manifest.preprocessing.size_hw)
    if graph.states or [(spec.name, spec.row_shape) for spec in graph.inputs] != [(IMAGE, image)]:
        found = [(spec.name, list(spec.row_shape)) for spec in graph.inputs]
        msg = f"An anomaly graph reads one {IMAGE!r} of {list(image)} and keeps no state; this one reads {found}."
        raise ContractError(msg)
    shapes = {spec.name: spec.row_shape for spec in graph.outputs}
    distance = shapes.get(DISTANCE, ())
    if len(distance) != 3 or distance[0] != 1:
        msg = f"An anomaly graph has a map {DISTANCE!r} of [1, h, w] a row; this one has {list(distance) or 'none'}."
        raise ContractError(msg)
    if features and shapes.get(FEATURES, ())[1:] != distance[1:]:
        msg = f"The host re-ranks, so the graph needs {FEATURES!r} of the map's cells; it has {shapes.get(FEATURES)}."
        raise ContractError(msg)
