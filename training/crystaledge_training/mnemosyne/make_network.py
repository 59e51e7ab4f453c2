"""From sizes to the network that has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crystaledge_training.mnemosyne.config import MnemosyneConfig, Variant
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.step import CrystallizationNetwork
from crystaledge_training.mnemosyne.wide import WideMnemosyne

_NETWORKS: Mapping[Variant, Callable[[MnemosyneConfig], CrystallizationNetwork]] = {
    Variant.PUBLISHED: Mnemosyne,
    Variant.WIDE: WideMnemosyne,
}


def make_network(config: MnemosyneConfig) -> CrystallizationNetwork:
    """A network with fresh weights."""
    return _NETWORKS[config.variant](config)
