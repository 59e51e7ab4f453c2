"""`crystaledge verify --backend tensorrt`."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome, talk
from crystaledge.commands.engines import engine_options
from crystaledge.engine.select import open_engine
from crystaledge.engine.trt.built import built_engines, built_sha256
from crystaledge.jsonio import encode
from crystaledge_calibration.self_test import keep_self_test, self_test


def run(arguments: Namespace, bundle: Bundle) -> Outcome:
    """Replay the golden sequences in every engine that was built; see the verb's help."""
    options = engine_options(arguments)
    records = []
    for graph, precision in built_engines(bundle, options, graph=arguments.graph):
        chosen = replace(options, precision=precision)
        talk(f"replaying the golden sequences of {graph.name} in {chosen.label}")
        engine = open_engine(bundle, graph, chosen)
        try:
            digest = built_sha256(bundle, graph, chosen)
            record = self_test(bundle, graph, engine, precision=precision, label=chosen.label, engine_sha256=digest)
        finally:
            engine.close()
        records.append(record)
        bundle = keep_self_test(bundle, record)
    return Outcome(
        text="\n".join(record.sentence for record in records),
        data={"engines": [encode(record) for record in records]},
        passed=all(record.passed for record in records),
    )
