"""`crystaledge verify`: in ONNX Runtime on sequences of one's own, or on a device by the bundle's golden sequences."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import cast

from crystaledge.cli.verb import Outcome
from crystaledge.commands.engines import engine_options
from crystaledge.engine.select import Backend
from crystaledge.extras import load

_CLOSED_LOOP = "crystaledge_calibration.commands.verify_closed_loop:run"
_ON_DEVICE = "crystaledge_calibration.commands.verify_device:run"


def run(arguments: Namespace) -> Outcome:
    """Verify a bundle; see the verb's help. On a device nothing is needed but numpy and its TensorRT."""
    here = engine_options(arguments).backend is Backend.ONNXRUNTIME
    target, extra = (_CLOSED_LOOP, "calibrate") if here else (_ON_DEVICE, None)
    work = load(target, extra=extra, purpose="The verb 'verify'")
    return cast("Callable[[Namespace], Outcome]", work)(arguments)
