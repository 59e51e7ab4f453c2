"""Trained weights that ship with the package; SYSTEM.MODEL_CARD.md beside them names data and terms."""

from __future__ import annotations

from pathlib import Path

from crystaledge.errors import UsageError
from crystaledge.system import System


def embedded_checkpoint(system: System) -> Path:
    """Path of the embedded checkpoint of a system.

    Raises:
        UsageError: none ships for it: what is normal, say, is for the user's own images to tell.
    """
    path = Path(__file__).parent / f"{system.value}.safetensors"
    if not path.is_file():
        msg = f"No weights of {system.value} ship with the package; train it, and give --checkpoint FILE."
        raise UsageError(msg)
    return path


def embedded_trained(system: System) -> Path | None:
    """Path of what quantization-aware training made of the embedded checkpoint; None where there is nothing."""
    path = Path(__file__).parent / f"{system.value}.int8.safetensors"
    return path if path.is_file() else None
