"""Errors of the export room.

crystaledge.errors.CrystalEdgeError
└── ExportError             a graph that must not ship    (exit status 1)
    ├── GuardError          a guard found what is wrong with it
    └── BuildError          TensorRT does not take it, or cannot build it
"""

from __future__ import annotations

from crystaledge.errors import GateFailedError


class ExportError(GateFailedError):
    """A graph that must not ship."""


class GuardError(ExportError):
    """A guard found what is wrong with a graph."""


class BuildError(ExportError):
    """TensorRT does not take a graph, or cannot build it."""
