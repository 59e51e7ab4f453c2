"""`crystaledge verify --backend tensorrt`."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome, talk
from crystaledge.commands.engines import engine_options
from crystaledge.engine.select import EngineOptions, open_engine
from crystaledge.engine.trt.flavour import Flavour
from crystaledge.engine.trt.precision import BuiltPrecision
from crystaledge.engine.trt.sidecar import engine_folder, engine_path
from crystaledge.errors import UsageError
from crystaledge.jsonio import encode
from crystaledge.manifest.model import GraphSpec
from crystaledge_calibration.self_test import keep_self_test, self_test


def run(arguments: Namespace) -> Outcome:
    """Replay the golden sequences in every engine that was built; see the verb's help."""
    bundle, options = Bundle.open(arguments.bundle), engine_options(arguments)
    folder = options.engines or engine_folder(arguments.bundle)
    records = []
    for graph, precision in _engines(bundle, arguments.graph, options, folder):
        chosen = replace(options, precision=precision)
        talk(f"replaying the golden sequences of {graph.name} in {chosen.label}")
        engine = open_engine(bundle, graph, chosen)
        try:
            records.append(self_test(bundle, graph, engine, precision=precision, label=chosen.label))
        finally:
            engine.close()
        bundle = keep_self_test(bundle, records[-1])
    return Outcome(
        text="\n".join(record.sentence for record in records),
        data={"engines": [encode(record) for record in records]},
        passed=all(record.passed for record in records),
    )


def _engines(
    bundle: Bundle, name: str | None, options: EngineOptions, folder: Path
) -> list[tuple[GraphSpec, BuiltPrecision]]:
    """The engines that lie there, of one graph or of all, in one precision or in each.

    Raises:
        UsageError: there is none.
    """
    graphs = [bundle.graph(name)] if name is not None else list(bundle.manifest.graphs)
    wanted = [options.precision] if options.precision is not None else list(BuiltPrecision)
    flavour = Flavour(options.backend.value)
    found = [(g, p) for g in graphs for p in wanted if engine_path(folder, g.name, p, flavour).is_file()]
    if not found:
        msg = f"{folder} holds no engine of {bundle.path} for {flavour.value}; run `crystaledge build` here first."
        raise UsageError(msg)
    return found
