"""The tensors of a Mnemosyne step graph by name, and the check that a bundle has them."""

from __future__ import annotations

from crystaledge.errors import ContractError
from crystaledge.manifest.model import GraphSpec, Manifest

FACE, HIDDEN, HIDDEN_NEXT = "face", "hidden", "hidden_next"
VELOCITY, LOG_VARIANCE, QUALITY = "velocity", "log_variance", "quality"


def check_contract(manifest: Manifest, graph: GraphSpec) -> None:
    """Refuse a bundle whose parts fit the manifest's grammar but not this system.

    Raises:
        ContractError: a tensor or state that this pipeline uses is missing, or sizes contradict each other.
    """
    length = manifest.decision.dimensions
    rows = {spec.name: spec.row_shape for spec in (*graph.inputs, *graph.outputs)}
    expected = {
        FACE: (3, *manifest.preprocessing.size_hw),
        HIDDEN: (length,),
        HIDDEN_NEXT: (length,),
        VELOCITY: (1,),
        LOG_VARIANCE: (1,),
        QUALITY: (1,),
    }
    for name, shape in expected.items():
        if rows.get(name) != shape:
            msg = f"A Mnemosyne graph has {name!r} of shape {list(shape)} a row; this one has {rows.get(name, 'none')}."
            raise ContractError(msg)
    if [(pair.input, pair.output) for pair in graph.states] != [(HIDDEN, HIDDEN_NEXT)]:
        msg = f"A Mnemosyne graph has one state pair, {HIDDEN!r} to {HIDDEN_NEXT!r}; export the bundle again."
        raise ContractError(msg)
