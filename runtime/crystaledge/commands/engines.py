"""Options of a command line that say which engine runs a graph, and what they mean."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, _ArgumentGroup
from pathlib import Path

from crystaledge.commands.parsers import choice
from crystaledge.engine.select import Backend, EngineOptions
from crystaledge.engine.trt.cuda import HostMemory
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.errors import UsageError

_BUILT = (Backend.TENSORRT, Backend.TENSORRT_RTX)


def add_engine_options(group: ArgumentParser | _ArgumentGroup) -> None:
    """Add the options to a command."""
    group.add_argument(
        "--backend",
        type=choice(Backend, "backend"),
        default=Backend.ONNXRUNTIME,
        metavar="{onnxruntime,tensorrt,tensorrt-rtx}",
        help="what runs the graph (default: onnxruntime, on the CPU)",
    )
    group.add_argument(
        "--engines", type=Path, metavar="DIR", help="where `build` put its engines (default: BUNDLE.engines)"
    )
    group.add_argument(
        "--precision",
        type=choice(BuiltPrecision, "precision"),
        metavar="{float32,float16,int8}",
        help="of the built engine (default: that of the graph)",
    )
    group.add_argument(
        "--host-memory",
        type=choice(HostMemory, "way of host memory"),
        metavar="{device,mapped}",
        help="how frames reach a device (default: mapped where it shares the host's memory, as on a Jetson)",
    )


def engine_options(arguments: Namespace) -> EngineOptions:
    """What the options say.

    Raises:
        UsageError: an option of built engines is given for a backend that has none.
    """
    given = [name for name in ("engines", "precision", "host_memory") if getattr(arguments, name) is not None]
    if given and arguments.backend not in _BUILT:
        msg = f"--{given[0].replace('_', '-')} is about built engines; give --backend tensorrt too, or leave it out."
        raise UsageError(msg)
    return EngineOptions(
        backend=arguments.backend,
        threads=getattr(arguments, "threads", None) or 1,
        engines=arguments.engines,
        precision=arguments.precision,
        host_memory=arguments.host_memory,
    )
