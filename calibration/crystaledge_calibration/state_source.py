"""Where the state comes from while a graph is observed."""

from __future__ import annotations

from enum import Enum


class StateSource(Enum):
    """Anything but the rollout is a fault that tests plant."""

    ROLLOUT = "rollout"
    """The graph's own, fed back: what deployment does."""
    ZEROS = "zeros"
    """A fresh state at every frame: what a folder of images gives every other quantizer."""
    NORMAL = "normal"
    """Standard normal noise: what a random-input quantizer gives."""
