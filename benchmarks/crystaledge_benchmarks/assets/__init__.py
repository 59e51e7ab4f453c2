"""Bundles exported from the embedded weights, for machines without torch."""

from __future__ import annotations

from pathlib import Path

from crystaledge.system import System


def embedded_bundle(system: System) -> Path:
    """Path of the embedded bundle of a system."""
    return Path(__file__).parent / system.value
