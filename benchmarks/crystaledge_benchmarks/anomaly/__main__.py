"""Measure an anomaly system: speed, growth, and what state buys on a line.

python -m crystaledge_benchmarks.anomaly --bundle B.bundle --data DIR [--checkpoint FILE] [--part NAME ...]
    [--json out.json] [--plot growth.png]

All times are CPU time of one thread; `growth` needs the checkpoint of a PatchCore.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import cv2

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import talk
from crystaledge.errors import CrystalEdgeError, UsageError
from crystaledge.files import write_atomic
from crystaledge.jsonio import dumps
from crystaledge_benchmarks.anomaly import growth, line, speed
from crystaledge_benchmarks.anomaly.growth_plot import growth_png
from crystaledge_benchmarks.anomaly.images import frames_of
from crystaledge_benchmarks.machine import describe_machine
from crystaledge_benchmarks.table import PartReport
from crystaledge_training.checkpoint import read_checkpoint
from crystaledge_training.data.anomaly_set import AnomalySet, read_anomaly_set

_IMAGES = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for, print tables, and write everything where `--json` says."""
    options = _parser().parse_args(arguments)
    cv2.setNumThreads(1)
    try:
        reports = [PARTS[name](options) for name in options.part or list(PARTS)]
        for report in reports:
            sys.stdout.write(report.text() + "\n\n")
        if options.json is not None:
            parts = {one.name: one.record for one in reports}
            write_atomic(options.json, dumps({"machine": describe_machine(), "parts": parts}).encode())
    except CrystalEdgeError as error:
        talk(f"error: {error}")
        return error.exit_status
    return 0


def _speed(options: argparse.Namespace) -> PartReport:
    images = [image.path for image in read_anomaly_set(options.data).test[:_IMAGES]]
    return speed.run(Bundle.open(options.bundle), frames_of(images), repeats=options.repeats)


def _growth(options: argparse.Namespace) -> PartReport:
    if options.checkpoint is None:
        msg = "The part 'growth' makes other sizes of a network; give its --checkpoint."
        raise UsageError(msg)
    images = [image.path for image in read_anomaly_set(options.data).test[: _IMAGES // 4]]
    report = growth.run(read_checkpoint(options.checkpoint), frames_of(images), repeats=options.repeats)
    if options.plot is not None:
        write_atomic(options.plot, growth_png(cast(Sequence[growth.Grown], report.record)))
    return report


def _line(options: argparse.Namespace) -> PartReport:
    found: AnomalySet = read_anomaly_set(options.data)
    normal = frames_of([image.path for image in found.test if image.defect is None])
    anomalous = frames_of([image.path for image in found.test if image.defect is not None][:: options.every])
    return line.run(Bundle.open(options.bundle), normal, anomalous)


PARTS: Mapping[str, Callable[[argparse.Namespace], PartReport]] = {
    speed.NAME: _speed,
    growth.NAME: _growth,
    line.NAME: _line,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="crystaledge_benchmarks.anomaly",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bundle", type=Path, required=True, help="bundle that finds anomalies")
    parser.add_argument("--data", type=Path, required=True, help="folder laid out as MVTec AD's")
    parser.add_argument("--checkpoint", type=Path, help="the bundle's checkpoint, for `growth`")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="measure this part alone; may be repeated")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--plot", type=Path, help="PNG file of the plot of `growth`")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--every", type=int, default=6, help="take every n-th anomalous image on the line (default: 6)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
