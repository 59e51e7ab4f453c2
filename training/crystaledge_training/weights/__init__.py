"""Trained weights that ship with the package; MODEL_CARD.md beside them names data and terms."""

from __future__ import annotations

from pathlib import Path

from crystaledge.system import System


def embedded_checkpoint(system: System) -> Path:
    """Path of the embedded checkpoint of a system."""
    return Path(__file__).parent / f"{system.value}.safetensors"
