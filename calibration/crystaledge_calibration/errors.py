"""Errors of the calibration room.

crystaledge.errors.CrystalEdgeError
└── InputError
    └── UnreadableGraphError    bytes that are no ONNX graph    (exit status 2)
"""

from __future__ import annotations

from crystaledge.errors import InputError


class UnreadableGraphError(InputError):
    """Bytes that are no ONNX graph."""
