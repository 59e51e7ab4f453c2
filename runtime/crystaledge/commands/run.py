"""`crystaledge run`: frames in, events out, by what the bundles' systems bring for it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Protocol, cast

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome
from crystaledge.errors import UsageError
from crystaledge.extras import load
from crystaledge.systems.registry import HOSTS, HostSide


class _Run(Protocol):
    def __call__(self, arguments: Namespace, bundles: Sequence[Bundle], /) -> Outcome: ...


def run(arguments: Namespace) -> Outcome:
    """Run bundles over sources; see the verb's help."""
    bundles = [Bundle.open(path) for path in arguments.bundle]
    host = _leader([HOSTS[bundle.manifest.system] for bundle in bundles])
    if not host.leads and (len(bundles) > 1 or len(arguments.source) > 1):
        msg = "Without a bundle that finds faces, `run` takes one bundle and one source; add one, or leave some out."
        raise UsageError(msg)
    return cast(_Run, load(host.run, extra=host.extra, purpose=host.purpose))(arguments, bundles)


def _leader(hosts: Sequence[HostSide]) -> HostSide:
    """The one that takes others beside it, else the first."""
    return next((host for host in hosts if host.leads), hosts[0])
