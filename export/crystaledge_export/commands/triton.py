"""`crystaledge triton`."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable
from typing import cast

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome, talk
from crystaledge.deploy import why_not
from crystaledge.engine.trt.built import built_precision
from crystaledge.engine.trt.flavour import Flavour, load_module
from crystaledge.errors import BundleError, UsageError
from crystaledge.manifest.model import GraphSpec
from crystaledge_export.commands.build import built_on
from crystaledge_export.triton.backend import TritonBackend
from crystaledge_export.triton.config import TritonOptions
from crystaledge_export.triton.repository import write_repository
from crystaledge_export.triton.wrap import CORRID, READY, START
from crystaledge_export.trt.builder import BuildRequest, build_plan
from crystaledge_export.trt.surface import TrtBuilderModule

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def run(arguments: Namespace) -> Outcome:
    """Write a model repository; see the verb's help."""
    bundle = Bundle.open(arguments.bundle)
    graph = bundle.graph(arguments.graph)
    name = arguments.name or bundle.manifest.system.value
    if not _NAME.fullmatch(name):
        msg = f"{name!r} is no name of a model in Triton; give letters, digits, '_', '-' and '.'."
        raise UsageError(msg)
    _refuse_unproven(bundle, graph, arguments)
    options = TritonOptions(name=name, backend=arguments.backend, frames_per_second=float(arguments.fps))
    make = _plan_maker(graph) if arguments.backend is TritonBackend.TENSORRT else None
    written = write_repository(bundle, graph, options, arguments.out, build_plan=make, force=arguments.force)
    text = f"{written.path}: {graph.name} for Triton's {options.backend.value}, {len(graph.states)} state declared"
    data = {"model": str(written.path), "file": str(written.model), "graph": graph.name, "config": written.config}
    return Outcome(text=text, data=data)


def _refuse_unproven(bundle: Bundle, graph: GraphSpec, arguments: Namespace) -> None:
    if arguments.unverified:
        return
    # An engine is built anew here, with controls: what stands behind it is the graph, as ONNX Runtime has proven it.
    complaint = why_not(bundle, graph, engine=TritonBackend.ONNXRUNTIME.value)
    if complaint is not None:
        msg = f"{bundle.path}: the graph {graph.name!r} is not to be served: {complaint}"
        raise BundleError(msg)


def _plan_maker(graph: GraphSpec) -> Callable[[bytes], bytes]:
    module = cast(TrtBuilderModule, load_module(Flavour.TENSORRT))
    built_on()  # asked before TensorRT, which would crash without a driver

    def make(model: bytes) -> bytes:
        """One profile from one row to the most: Triton takes the first and pads to no bucket."""
        talk("building the engine")
        request = BuildRequest(
            graph=graph,
            model=model,
            precision=built_precision(graph),
            flavour=Flavour.TENSORRT,
            controls=(START, READY, CORRID),
            profiles=((graph.batch.min, graph.batch.buckets[len(graph.batch.buckets) // 2], graph.batch.max),),
        )
        return build_plan(module, request).data

    return make
