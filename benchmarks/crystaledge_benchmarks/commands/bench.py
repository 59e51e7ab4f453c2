"""`crystaledge bench`: graphs in ONNX Runtime on the CPU, or engines on a device."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import cast

from crystaledge.cli.verb import Outcome
from crystaledge.commands.engines import engine_options
from crystaledge.engine.select import Backend
from crystaledge.errors import UsageError
from crystaledge.extras import load

FEWEST_ROUNDS = 100
"""A 99th percentile of fewer calls is their maximum."""
_ON_CPU = "crystaledge_benchmarks.commands.bench_cpu:run"
_ON_DEVICE = "crystaledge_benchmarks.commands.bench_device:run"


def run(arguments: Namespace) -> Outcome:
    """Measure a bundle; see the verb's help. On a device nothing is needed but numpy and its TensorRT."""
    if arguments.rounds < FEWEST_ROUNDS:
        msg = f"--rounds {arguments.rounds} is too few for a 99th percentile; give {FEWEST_ROUNDS} or more."
        raise UsageError(msg)
    here = engine_options(arguments).backend is Backend.ONNXRUNTIME
    target, extra = (_ON_CPU, "bench") if here else (_ON_DEVICE, None)
    work = load(target, extra=extra, purpose="The verb 'bench'")
    return cast("Callable[[Namespace], Outcome]", work)(arguments)
