"""PatchCore: how far each patch of an image is from the nearest one that was seen on normal images.

Roth et al., Towards Total Recall in Industrial Anomaly Detection, 2022. All modules are pure; the memory is a constant.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from crystaledge_training.anomaly.backbone import Backbone
from crystaledge_training.anomaly.make_backbone import make_backbone
from crystaledge_training.patchcore.config import PatchCoreConfig


class Patches(NamedTuple):
    """What the network says of images `(B, 3, H, W)`; a cell is a pixel of the finest level."""

    distance: Tensor
    """`(B, 1, h, w)`, at least 0: Euclidean distance to the nearest row of the memory (PatchCore, eq. 6)."""
    features: Tensor
    """`(B, D, h, w)`: what was compared."""


class PatchFeatures(nn.Module):
    """One vector a cell: every level smoothed, brought to the finest one's cells, and put one behind another.

    Args:
        pretrained: take the backbone's published weights, else leave them for a checkpoint.
    """

    def __init__(self, config: PatchCoreConfig, *, pretrained: bool) -> None:
        super().__init__()
        self.backbone = make_backbone(config.backbone, config.levels, pretrained=pretrained)
        side = config.neighbourhood
        # Cells beyond the border are left out of the mean: zeros there would make every border look unlike the middle.
        self.pool = nn.Identity() if side == 1 else nn.AvgPool2d(side, 1, side // 2, count_include_pad=False)

    def forward(self, image: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, D, h, w)`."""
        levels = [self.pool(level) for level in self.backbone(image)]
        wide = [_enlarged(level, levels[0]) for level in levels[1:]]
        return torch.cat([levels[0], *wide], dim=1)


def _enlarged(level: Tensor, finest: Tensor) -> Tensor:
    """A level at the cells of the finest one; by factors, which are constants of a graph, where sizes are computed."""
    (height, width), (high, wide) = finest.shape[-2:], level.shape[-2:]
    return functional.interpolate(level, scale_factor=(height / high, width / wide), mode="bilinear")


class NearestDistance(nn.Module):
    """Euclidean distance of every cell to the nearest row of a memory, as one matrix product.

    `|q - m|^2 = |q|^2 - 2 (q.m - |m|^2 / 2)`: the bracket is a linear layer whose weights are the memory, so that
    whatever makes products fast or integer does it here too; the largest bracket is the nearest row. A row of products
    is a cell's, so that the maximum runs along memory: as a convolution, across it, that took twice the product's time.
    """

    weight: Tensor
    """`(M, D)`: rows of the memory, about its middle."""
    bias: Tensor
    """`(M,)`: minus half their squared lengths."""
    centre: Tensor
    """`(D, 1, 1)`: the middle. Distances are the same about any point; about this one squares are small, so that
    float16 and the difference of squares bear them."""

    def __init__(self, rows: int, dims: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(rows, dims), persistent=False)
        self.register_buffer("bias", torch.zeros(rows), persistent=False)
        self.register_buffer("centre", torch.zeros(dims, 1, 1), persistent=False)

    def remember(self, bank: Tensor) -> None:
        """Search among the rows of `bank`, float32 `(M, D)`."""
        middle = bank.mean(dim=0)
        self.centre.copy_(middle[:, None, None])
        self.weight.copy_(bank - middle)
        self.bias.copy_(-0.5 * (bank - middle).square().sum(dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """`(B, D, h, w)` to `(B, 1, h, w)`."""
        dims, height, width = features.shape[1:]
        cells = (features - self.centre).permute(0, 2, 3, 1).reshape(-1, dims)
        nearness = functional.linear(cells, self.weight, self.bias).amax(dim=1)
        distance = (cells.square().sum(dim=1) - 2.0 * nearness).clamp_min(0.0).sqrt()
        return distance.reshape(-1, 1, height, width)


class PatchCore(nn.Module):
    """Features and the search among them: what a checkpoint holds. In inference mode from the start."""

    bank: Tensor
    """`(M, D)`: patches of normal images, in values that float16 has, since bundles hold it so."""

    def __init__(self, config: PatchCoreConfig, *, pretrained: bool = False) -> None:
        super().__init__()
        self.config = config
        self.features = PatchFeatures(config, pretrained=pretrained)
        self.search = NearestDistance(config.bank_rows, config.bank_dims)
        self.register_buffer("bank", torch.zeros(config.bank_rows, config.bank_dims))
        self.register_load_state_dict_post_hook(_search_among_the_bank)  # type: ignore[no-untyped-call]
        self.eval()

    def remember(self, patches: Tensor) -> None:
        """Make patches `(M, D)` the memory, rounded to float16's values."""
        self.bank.copy_(patches.half().float())
        self.search.remember(self.bank)

    @property
    def backbone(self) -> Backbone:
        """The frozen trunk."""
        return self.features.backbone

    def forward(self, image: Tensor) -> Patches | tuple[Tensor]:
        """`image` `(B, 3, H, W)`, normalised; the features alone where the host searches."""
        features: Tensor = self.features(image)
        if not self.config.search_in_graph:
            return (features,)
        return Patches(self.search(features), features)


def _search_among_the_bank(network: PatchCore, _: object) -> None:
    """What is searched follows from the memory, so it is not kept beside it."""
    network.search.remember(network.bank)
