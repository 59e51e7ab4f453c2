"""Measure the video pipeline: speed, gates, identity, stability, tracker, memory and detector.

python -m crystaledge_benchmarks.video --detector D.bundle --identity M.bundle [--data DIR] [--peers DIR]
    [--part NAME ...] [--json out.json]

All times are CPU time of one thread, resizing and differencing included; a ratio is of one and the same run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import talk
from crystaledge.errors import CrystalEdgeError, DataError
from crystaledge.files import write_atomic
from crystaledge.jsonio import dumps
from crystaledge_benchmarks.machine import describe_machine
from crystaledge_benchmarks.table import PartReport
from crystaledge_benchmarks.video.parts import PARTS
from crystaledge_benchmarks.video.setup import Setup


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for, print tables, and write everything where `--json` says."""
    options = _parser().parse_args(arguments)
    cv2.setNumThreads(1)
    try:
        reports = measure(_setup(options), options.part or list(PARTS))
        if options.json is not None:
            write_atomic(options.json, _json(options, reports).encode())
    except CrystalEdgeError as error:
        talk(f"error: {error}")
        return error.exit_status
    return 0


def measure(setup: Setup, names: Sequence[str]) -> list[PartReport]:
    """Run parts one after another and print each as soon as it is done; those that lack data say so."""
    reports = []
    for name in names:
        try:
            report = PARTS[name](setup)
        except DataError as error:
            report = PartReport(name=name, tables=(), findings=(f"not run: {error}",), record=None)
        sys.stdout.write(report.text() + "\n\n")
        sys.stdout.flush()
        reports.append(report)
    return reports


def _setup(options: argparse.Namespace) -> Setup:
    return Setup(
        detector=Bundle.open(options.detector),
        identity=Bundle.open(options.identity),
        data=options.data,
        peers=options.peers,
        repeats=options.repeats,
        steady_every_s=options.steady_every,
        frames=options.frames,
        clip_frames=options.clip_frames,
        embed_frames=options.embed_frames,
        hours=options.hours,
        sheet=options.sheet,
    )


def _json(options: argparse.Namespace, reports: Sequence[PartReport]) -> str:
    return dumps(
        {
            "machine": describe_machine(),
            "detector": str(options.detector),
            "identity": str(options.identity),
            "repeats": options.repeats,
            "steady_every_s": options.steady_every,
            "parts": {one.name: {"findings": one.findings, "record": one.record} for one in reports},
        }
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="crystaledge_benchmarks.video",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--detector", type=Path, required=True, help="bundle of a detector")
    parser.add_argument("--identity", type=Path, required=True, help="bundle that tells people apart")
    parser.add_argument("--data", type=Path, help="folder with talking_head/*.mp4 and multi_person/*.mp4")
    parser.add_argument("--peers", type=Path, help="the peers' environment, with venv/bin/python")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="measure this part alone; may be repeated")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--steady-every",
        type=float,
        default=0.0,
        help="as `run --steady-every`, for `speed` and `identity` (default: 0)",
    )
    parser.add_argument("--frames", type=int, default=220, help="of each scene of `gates` (default: 220)")
    parser.add_argument("--clip-frames", type=int, help="at most so many frames of each clip (default: all)")
    parser.add_argument("--embed-frames", type=int, default=20, help="of each clip, for the peers' embedders")
    parser.add_argument("--hours", type=float, default=1.0, help="of video for `memory` (default: 1)")
    parser.add_argument("--sheet", type=Path, help="PNG file of annotated frames for `stability`; it shows real faces")
    return parser


if __name__ == "__main__":
    sys.exit(main())
