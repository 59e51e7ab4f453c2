"""The systems this house knows by name."""

from __future__ import annotations

from enum import Enum


class System(Enum):
    """One model family: a network, the graphs it exports, and its host side."""

    MNEMOSYNE = "mnemosyne"
    """Face identity by temporal crystallization."""
    PHANTOM = "phantom"
    """Faces found and followed in video, where something changed."""
