"""`--limit NAME=VALUE` for the gate at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from crystaledge.errors import UsageError
from crystaledge_calibration.kinds import AnyLimits

L = TypeVar("L", bound=AnyLimits)


def limits_of(defaults: L, changes: Sequence[tuple[str, float]]) -> L:
    """The limits with some of them changed.

    Raises:
        UsageError: a limit is of another kind of system.
    """
    changed: dict[str, Any] = dict(changes)
    known = [one.name for one in fields(defaults)]
    for name in changed:
        if name not in known:
            msg = f"The gate of this bundle has no limit {name!r}; there are {', '.join(known)}."
            raise UsageError(msg)
    return replace(defaults, **changed)
