"""`crystaledge build`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from tqdm import tqdm

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome, talk
from crystaledge.engine.trt.cuda import DeviceFacts
from crystaledge.engine.trt.flavour import Flavour, load_module
from crystaledge.engine.trt.open import open_cuda
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.engine.trt.sidecar import engine_folder
from crystaledge.jsonio import encode
from crystaledge_export.trt.build import Built, Workshop, build_engine, engines_of
from crystaledge_export.trt.builder import types_weakly
from crystaledge_export.trt.surface import TrtBuilderModule


def run(arguments: Namespace) -> Outcome:
    """Build a bundle's engines; see the verb's help."""
    bundle = Bundle.open(arguments.bundle)
    chosen = engines_of(bundle, arguments.graph, arguments.precision)
    flavour: Flavour = arguments.backend
    module = cast(TrtBuilderModule, load_module(flavour))
    device = built_on() if flavour is Flavour.TENSORRT else None
    made: list[Built] = []
    for graph, precision in chosen:
        if precision is BuiltPrecision.FLOAT16 and arguments.precision is None and types_weakly(module):
            talk(f"{graph.name} float16: not built: TensorRT {module.__version__} would allow it to gates too")
            continue
        with _progress(f"{graph.name} {precision.value}") as say:
            workshop = Workshop(
                module=module,
                flavour=flavour,
                device=device,
                folder=arguments.out or engine_folder(arguments.bundle),
                say=say,
            )
            made.append(build_engine(bundle, graph, precision, workshop, force=arguments.force))
        for warning in made[-1].warnings:
            talk(f"{flavour.value}: {warning}")
    return Outcome(
        text="\n".join(_line(built) for built in made),
        data={"engines": [{"path": str(b.path), "fresh": b.fresh, **_facts(b)} for b in made]},
    )


def built_on() -> DeviceFacts:
    """The device that is built on; asked before TensorRT, which would crash without a driver."""
    cuda = open_cuda()
    try:
        return cuda.facts()
    finally:
        cuda.close()


def _facts(built: Built) -> dict[str, object]:
    return {"reasons": list(built.reasons), "sidecar": encode(built.sidecar)}


def _line(built: Built) -> str:
    size = f"{built.sidecar.engine_bytes / 1e6:.2f} MB"
    if not built.fresh:
        return f"{built.path}: up to date, {size}"
    why = f"; built again: {'; '.join(built.reasons)}" if built.reasons else ""
    profiles = ", ".join(map(str, built.sidecar.fingerprint.profiles))
    return f"{built.path}: {size} in {built.sidecar.build_seconds:.1f} s, buckets {profiles}{why}"


@contextmanager
def _progress(label: str) -> Iterator[Callable[[str, float], None]]:
    """A bar of the phase that TensorRT is in; silent where nobody watches."""
    with tqdm(total=1.0, desc=label, leave=False, disable=None, bar_format="{desc} {bar}", file=sys.stderr) as bar:

        def say(phase: str, share: float) -> None:
            bar.set_description_str(f"{label}: {phase}")
            bar.n = share
            bar.refresh()

        yield say
