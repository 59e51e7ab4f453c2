"""Trained weights that ship with the package; NAME.MODEL_CARD.md beside them names data and terms.

NAME.RESULTS.md holds what was measured of them, under the SHA-256 of the checkpoint; it goes into every card.

NAME is the system's, or SYSTEM.VARIANT for a network beside the published one.
"""

from __future__ import annotations

from pathlib import Path

from crystaledge.errors import UsageError
from crystaledge.system import System


def embedded_checkpoint(system: System, variant: str | None = None) -> Path:
    """Path of the embedded checkpoint of a system.

    Args:
        variant: another network than the published one, such as wide.

    Raises:
        UsageError: none ships for it: what is normal, say, is for the user's own images to tell.
    """
    name = system.value if variant is None else f"{system.value}.{variant}"
    path = Path(__file__).parent / f"{name}.safetensors"
    if not path.is_file():
        what = system.value if variant is None else f"{system.value}, variant {variant},"
        msg = f"No weights of {what} ship with the package; train it, and give --checkpoint FILE."
        raise UsageError(msg)
    return path


def measured_results(checkpoint_sha256: str) -> str | None:
    """What was measured of embedded weights, as Markdown; None of a checkpoint of the user's own."""
    header = f"<!-- measured of checkpoint {checkpoint_sha256} -->\n"
    for path in sorted(Path(__file__).parent.glob("*.RESULTS.md")):
        text = path.read_text(encoding="utf-8")
        if text.startswith(header):
            return text.removeprefix(header).strip()
    return None


def embedded_trained(system: System) -> Path | None:
    """Path of what quantization-aware training made of the embedded checkpoint; None where there is nothing."""
    path = Path(__file__).parent / f"{system.value}.int8.safetensors"
    return path if path.is_file() else None
