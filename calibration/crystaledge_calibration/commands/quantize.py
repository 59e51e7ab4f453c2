"""`crystaledge quantize`: the half that fits what the bundle decides about."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome
from crystaledge_calibration.commands.halves import run_half
from crystaledge_calibration.kinds import kind_of


def run(arguments: Namespace) -> Outcome:
    """Quantize the graphs of a bundle; see the verb's help."""
    bundle = Bundle.open(arguments.bundle)
    return run_half(kind_of(bundle).quantize, arguments, bundle, verb="quantize", extra="calibrate")
