"""What a command-line verb is. Other packages register theirs in the entry-point group `crystaledge.verbs`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a verb found."""

    text: str
    """For a person, on stdout."""
    data: dict[str, Any] = field(default_factory=dict)
    """For `--json`, as one object on stdout."""
    passed: bool = True
    """False when the work was done and the answer is no; exit status 1."""


class Run(Protocol):
    """The working half of a verb; its module may import heavy packages."""

    def __call__(self, arguments: Namespace, /) -> Outcome: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """The light half of a verb: it can be listed and explained where its packages are missing."""

    name: str
    summary: str
    """One line for the list of verbs."""
    description: str
    """The text above the options in `--help`, written by hand."""
    extra: str | None
    """The extra that brings what it needs; None where numpy is enough."""
    configure: Callable[[ArgumentParser], None]
    target: str
    """`module:function` of the working half."""


def talk(line: str) -> None:
    """Say something to the person at the terminal; stdout is for results alone."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
