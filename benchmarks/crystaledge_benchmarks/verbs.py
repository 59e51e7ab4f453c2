"""The verb of this room; its working half is imported only when it runs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from crystaledge.cli.verb import Verb
from crystaledge.commands.engines import add_engine_options
from crystaledge.commands.parsers import positive, threads


def _configure_demo(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("crystaledge-demo"),
        metavar="DIR",
        help="folder to write (default: %(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing folder")


def _configure_bench(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle folder; its record and choice are updated")
    parser.add_argument(
        "--rounds",
        type=positive,
        default=1000,
        metavar="N",
        help="timed calls of each row, 100 or more (default: %(default)s)",
    )
    parser.add_argument("--threads", type=threads, default=1, metavar="N", help="threads of ONNX Runtime (default: 1)")
    add_engine_options(parser.add_argument_group("where (on a device every engine that was built takes part)"))


def _configure_report(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle folder")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="page; FILE.json beside it")
    parser.add_argument("--force", action="store_true", help="replace existing files")


BENCH = Verb(
    name="bench",
    summary="latency of every graph in turn, parity in the same row; picks the fastest that passes",
    description=(
        "Measures every graph of a bundle and the bare engine call in one interleaved run, prints latency,\n"
        "bytes, memory and parity in one row each with the facts of the machine, and writes the fastest graph\n"
        "that passed `verify` into the manifest as the one that `run` takes.\n\n"
        "With --backend tensorrt every engine that was built here takes part beside the CPU, and the record\n"
        "holds the board: power mode, clocks, temperature, throttling, power, enqueueing against computing.\n\n"
        "Examples: crystaledge bench m.bundle\n"
        "          crystaledge bench m.bundle --backend tensorrt"
    ),
    extra="bench",
    configure=_configure_bench,
    target="crystaledge_benchmarks.commands.bench:run",
)

REPORT = Verb(
    name="report",
    summary="one HTML page (and JSON) of what a bundle's records prove",
    description=(
        "Draws the records of a bundle on one self-contained page: error and cosine over time, decisions,\n"
        "ranges and clipping, sensitivity of nodes, latency against error, DET curve float against INT8.\n\n"
        "Example: crystaledge report m.bundle --out m.html"
    ),
    extra="bench",
    configure=_configure_report,
    target="crystaledge_benchmarks.commands.report:run",
)

DEMO = Verb(
    name="demo",
    summary="the whole chain on embedded weights and a drawn scene, ending with an HTML report",
    description=(
        "Exports the embedded weights to a bundle, checks the graph in closed loop against torch, runs the\n"
        "bundle on a drawn film of people who move, blur, dim and get covered, measures latency, and writes\n"
        "report.html. No arguments, no network, no data folder, no real faces.\n\n"
        "Where torch is missing, the embedded bundle is used and checked against its golden sequences; the\n"
        "report says what was not run. Exit status 1 means that a check failed."
    ),
    extra="demo",
    configure=_configure_demo,
    target="crystaledge_benchmarks.commands.demo:run",
)
