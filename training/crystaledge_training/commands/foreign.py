"""Options of other systems: all trainings share one command line, and nothing that is given may be ignored."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable

from crystaledge.errors import UsageError

OF_ANOMALIES = ("size", "backbone", "bank_share", "false_alarm_rate", "holdout", "student")
"""What systems that find anomalies are asked."""
OF_VARIANTS = ("variant", "distill")
"""What a system with several networks is asked."""
OF_PEOPLE = (
    *("people", "faces", "backgrounds", "encoding", "hidden", "qat", "checkpoint", "keep_float", "workers"),
    *OF_VARIANTS,
)
"""What systems that find people or tell them apart are asked."""


def refuse_foreign(arguments: Namespace, names: Iterable[str]) -> None:
    """Refuse the first of these options that was given.

    Raises:
        UsageError: one was.
    """
    given = [name for name in names if getattr(arguments, name)]
    if given:
        option = given[0].replace("_", "-")
        msg = f"--{option} is about other systems; leave it out for {arguments.system.value}."
        raise UsageError(msg)
