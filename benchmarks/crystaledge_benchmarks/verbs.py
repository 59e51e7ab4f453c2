"""The verb of this room; its working half is imported only when it runs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from crystaledge.cli.verb import Verb


def _configure_demo(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("crystaledge-demo"),
        metavar="DIR",
        help="folder to write (default: %(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing folder")


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
