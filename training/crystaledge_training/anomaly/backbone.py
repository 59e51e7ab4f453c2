"""What every network that gives features looks like from outside: levels, finest first, and nothing that moves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

from torch import Tensor, nn

from crystaledge.errors import DataError

AnyBackbone = TypeVar("AnyBackbone", bound="Backbone")


class Backbone(nn.Module, ABC):
    """A convolutional trunk with several outputs.

    Args:
        strides: pixels of the image per cell of each level, finest first.
        channels: features of a cell of each level.
    """

    def __init__(self, *, strides: tuple[int, ...], channels: tuple[int, ...]) -> None:
        super().__init__()
        self.strides, self.channels = strides, channels
        self._frozen = False

    @abstractmethod
    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """`(B, 3, H, W)` to one map `(B, channels[i], ceil(H / strides[i]), ceil(W / strides[i]))` a level."""

    def freeze(self: AnyBackbone) -> AnyBackbone:
        """No gradients from here on, and no way back into training mode: batch statistics never move again.

        A feature must not depend on the other images of its batch, and must be the same when the memory is filled as
        when it is searched.
        """
        self._frozen = True
        self.requires_grad_(False)
        return self.eval()

    def train(self: AnyBackbone, mode: bool = True) -> AnyBackbone:
        """As for every module, except that a frozen one stays in inference mode."""
        return super().train(mode and not self._frozen)


def require_levels(levels: Sequence[int], known: Sequence[int], name: str) -> None:
    """Refuse levels that a backbone does not have.

    Raises:
        DataError: none, an unknown one, or not finest first.
    """
    if not levels or not set(levels) <= set(known) or list(levels) != sorted(set(levels)):
        msg = f"{name} has no levels {list(levels)}; give strides among {list(known)}, each once, finest first."
        raise DataError(msg)
