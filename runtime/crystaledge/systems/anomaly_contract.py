"""The tensors of an anomaly graph by name, and the check that a bundle has them; two systems share them."""

from __future__ import annotations

from crystaledge.errors import ContractError
from crystaledge.manifest.model import GraphSpec, Manifest

IMAGE = "image"
"""`(3, H, W)`."""
DISTANCE = "distance"
"""`(1, h, w)`, at least 0: how far each cell of the image is from normal; left out where the host searches."""
FEATURES = "features"
"""`(D, h, w)`: what was compared with the bank; only where the host re-ranks or searches."""
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
    maps = {name: shapes[name] for name in (DISTANCE, FEATURES) if name in shapes}
    host_searches = features and DISTANCE not in maps
    if any(len(shape) != 3 for shape in maps.values()) or (not host_searches and maps.get(DISTANCE, ())[:1] != (1,)):
        found = [(name, list(shape)) for name, shape in maps.items()]
        msg = f"An anomaly graph has a map {DISTANCE!r} of [1, h, w] a row; this one has {found or 'no maps'}."
        raise ContractError(msg)
    if features and maps.get(FEATURES, ())[1:] != maps.get(DISTANCE, maps.get(FEATURES, (0,)))[1:]:
        msg = f"The host compares patches, so the graph needs {FEATURES!r} of the map's cells; it has {shapes}."
        raise ContractError(msg)
