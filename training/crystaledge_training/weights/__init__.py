"""Trained weights that ship with the package; SYSTEM.MODEL_CARD.md beside them names data and terms."""

from __future__ import annotations

from pathlib import Path

from crystaledge.system import System


def embedded_checkpoint(system: System) -> Path:
    """Path of the embedded checkpoint of a system."""
    return Path(__file__).parent / f"{system.value}.safetensors"


def embedded_trained(system: System) -> Path | None:
    """Path of what quantization-aware training made of the embedded checkpoint; None where there is nothing."""
    path = Path(__file__).parent / f"{system.value}.int8.safetensors"
    return path if path.is_file() else None
