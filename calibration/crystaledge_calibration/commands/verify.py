"""`crystaledge verify`: in ONNX Runtime on data of one's own, or on a device by the bundle's golden sequences."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import cast

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome
from crystaledge.commands.engines import engine_options
from crystaledge.detection.spec import DetectionDecision
from crystaledge.engine.select import Backend
from crystaledge.extras import load

_CLOSED_LOOP = "crystaledge_calibration.commands.verify_closed_loop:run"
_DETECTOR = "crystaledge_calibration.commands.verify_detector:run"
_ON_DEVICE = "crystaledge_calibration.commands.verify_device:run"


def run(arguments: Namespace) -> Outcome:
    """Verify a bundle; see the verb's help. On a device nothing is needed but numpy and its TensorRT."""
    here = engine_options(arguments).backend is Backend.ONNXRUNTIME
    target, extra = (_here(arguments), "calibrate") if here else (_ON_DEVICE, None)
    work = load(target, extra=extra, purpose="The verb 'verify'")
    return cast("Callable[[Namespace], Outcome]", work)(arguments)


def _here(arguments: Namespace) -> str:
    """The gate that fits what the bundle decides about."""
    decision = Bundle.open(arguments.bundle).manifest.decision
    return _DETECTOR if isinstance(decision, DetectionDecision) else _CLOSED_LOOP
