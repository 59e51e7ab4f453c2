"""`crystaledge verify`: in ONNX Runtime on data of one's own, or on a device by the bundle's golden sequences."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome
from crystaledge.commands.engines import engine_options
from crystaledge.engine.select import Backend
from crystaledge_calibration.commands.halves import run_half
from crystaledge_calibration.kinds import kind_of

_ON_DEVICE = "crystaledge_calibration.commands.verify_device:run"


def run(arguments: Namespace) -> Outcome:
    """Verify a bundle; see the verb's help. On a device nothing is needed but numpy and its TensorRT."""
    here = engine_options(arguments).backend is Backend.ONNXRUNTIME
    bundle = Bundle.open(arguments.bundle)
    target, extra = (kind_of(bundle).verify, "calibrate") if here else (_ON_DEVICE, None)
    return run_half(target, arguments, bundle, verb="verify", extra=extra)
