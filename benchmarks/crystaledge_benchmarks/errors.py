"""Errors of the benchmark room.

crystaledge.errors.CrystalEdgeError
└── InputError
    └── IncompleteRecordError    a measurement without its facts    (exit status 2)
"""

from __future__ import annotations

from crystaledge.errors import InputError


class IncompleteRecordError(InputError):
    """A measurement that lacks a fact; it is neither written nor printed."""
