"""The tensors of a Mnemosyne step graph by name, and the check that a bundle has them."""

from __future__ import annotations

from crystaledge.errors import ContractError
from crystaledge.manifest.model import GraphSpec, Manifest, identity_decision

FACE, HIDDEN, HIDDEN_NEXT = "face", "hidden", "hidden_next"
VELOCITY, LOG_VARIANCE, QUALITY = "velocity", "log_variance", "quality"
FACE_IN_CROP = (0.164, 0.156, 0.836, 0.953)
"""Where the whole face, hairline to chin, lies in the square crops that the network knows, as shares x1, y1, x2, y2.

Measured on LFW's crops: eyes at 0.34 and 0.66 across, 0.41 down.
"""


def check_contract(manifest: Manifest, graph: GraphSpec) -> None:
    """Refuse a bundle whose parts fit the manifest's grammar but not this system.

    Raises:
        ContractError: a tensor or state that this pipeline uses is missing, or sizes contradict each other.
    """
    length = identity_decision(manifest.decision, where="The bundle").dimensions
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
