"""From the name of a verb's working half to its outcome."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import cast

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome
from crystaledge.extras import load


def run_half(target: str, arguments: Namespace, bundle: Bundle, *, verb: str, extra: str | None) -> Outcome:
    """Load `module:function` and call it.

    Args:
        extra: the extra that brings what it needs; None where a device brings it.

    Raises:
        MissingExtraError: a package that it needs is not installed.
    """
    half = load(target, extra=extra, purpose=f"The verb {verb!r}")
    return cast("Callable[[Namespace, Bundle], Outcome]", half)(arguments, bundle)
