"""`crystaledge bench` in ONNX Runtime."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome, talk
from crystaledge.jsonio import encode
from crystaledge_benchmarks.bench import keep_record, measure_bundle
from crystaledge_benchmarks.bench_table import bench_text


def run(arguments: Namespace) -> Outcome:
    """Measure a bundle's graphs and choose one; see the verb's help."""
    bundle = Bundle.open(arguments.bundle)
    record = measure_bundle(bundle, rounds=arguments.rounds, threads=arguments.threads, say=talk)
    keep_record(bundle, record)
    return Outcome(text=bench_text(record), data=encode(record), passed=record.choice is not None)
