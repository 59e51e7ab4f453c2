"""Sizes of a PatchCore network."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge_training.anomaly.backbone_kind import BackboneKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchCoreConfig:
    """What decides the shapes of the network, its memory included."""

    backbone: BackboneKind = BackboneKind.EFFICIENTNET_LITE0
    levels: tuple[int, ...] = (8, 16)
    """Strides of the backbone's levels whose features are compared, finest first."""
    neighbourhood: int = 3
    """Side, in cells, of the mean that each level's features are taken over (PatchCore, eq. 2)."""
    bank_rows: int = 0
    """Patches in the memory; 0 before `train` has chosen them."""
    bank_dims: int = 0
    """Length of a patch's features."""
    search_in_graph: bool = True
    """The nearest neighbour is searched in the graph, else on the host."""
