"""Options of `crystaledge run`, and which of them belong to crops and which to video."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from crystaledge.commands.engines import add_engine_options
from crystaledge.commands.gallery_verbs import add_gallery_options
from crystaledge.commands.parsers import face_box, integer, positive, seconds, stopping, threads
from crystaledge.errors import UsageError
from crystaledge.liveness.result import NOT_COVERED

WHOLE = (0.0, 0.0, 1.0, 1.0)
CROPS_ONLY = ("face_box", "gallery_face_box")
VIDEO_ONLY = (
    "gallery_db",
    "key_file",
    "snapshot_every",
    "record",
    "show",
    "live",
    "metrics",
    "pixelate",
    "no_gate",
    "steady_every",
    "liveness",
)

ANOMALY_ONLY = ("overlays", "hold_still", "adapt")
PEOPLE_ONLY = ("gallery", "gallery_db", "enroll_synthetic", "far", "stopping", "snapshot", "restore")


def refuse_options(arguments: Namespace, names: Sequence[str], *, why: str) -> None:
    """Refuse options that the bundles at hand have no use for.

    Raises:
        UsageError: one of them was given.
    """
    for name in names:
        value = getattr(arguments, name)
        if value is not None and value is not False:  # a port of 0 was given too
            msg = f"--{name.replace('_', '-')} {why}; leave it out."
            raise UsageError(msg)


def configure_run(parser: ArgumentParser) -> None:
    """Add all options of the verb."""
    parser.add_argument(
        "bundle", type=Path, nargs="+", metavar="BUNDLE", help="bundle folders: a detector's, and one for identities"
    )
    _what_is_looked_at(parser)
    _who_is_looked_for(parser)
    _what_is_shown(parser)
    _state(parser)
    _anomalies(parser)
    engine = parser.add_argument_group("which graph runs")
    engine.add_argument(
        "--graph",
        metavar="NAME",
        help="graph of the bundle, of the detector where there is one (default: what `bench` chose, else float)",
    )
    engine.add_argument(
        "--unverified", action="store_true", help="run it though no passed verification is on record; never deploy so"
    )
    runs = parser.add_argument_group("what runs it")
    add_engine_options(runs)
    runs.add_argument("--threads", type=threads, default=1, metavar="N", help="threads of ONNX Runtime (default: 1)")


def _what_is_looked_at(parser: ArgumentParser) -> None:
    source = parser.add_argument_group("what is looked at")
    source.add_argument(
        "--source",
        required=True,
        action="append",
        metavar="SOURCE",
        help="video file, folder of images, camera number, /dev/videoN, rtsp:// or http:// address, or synthetic; "
        "may be repeated for several cameras",
    )
    source.add_argument(
        "--face-box",
        type=face_box,
        metavar="X1,Y1,X2,Y2",
        help="without a detector: where the face is, as shares of the frame (default: the whole frame)",
    )
    source.add_argument(
        "--frames", type=positive, metavar="N", help="stop after N rounds, each a frame of every source that has one"
    )
    source.add_argument(
        "--steady-every",
        type=seconds,
        metavar="SECONDS",
        help="while every face in view is committed, or there is none, look only so often, such as 0.2; boxes are "
        "predicted meanwhile (default: whenever something moves)",
    )
    source.add_argument(
        "--liveness",
        action="store_true",
        help=f"tell still photographs held up to the camera from faces; not covered: {', '.join(NOT_COVERED)}",
    )
    source.add_argument("--no-gate", action="store_true", help="process every frame, whether or not something moved")


def _who_is_looked_for(parser: ArgumentParser) -> None:
    matching = parser.add_argument_group("who is looked for")
    matching.add_argument(
        "--gallery", type=Path, metavar="DIR", help="enrol every DIR/identity/*.jpg|png|pgm, in memory only"
    )
    matching.add_argument(
        "--gallery-face-box",
        type=face_box,
        metavar="X1,Y1,X2,Y2",
        help="without a detector: where the face is in the gallery's images (default: the whole image)",
    )
    add_gallery_options(matching)
    matching.add_argument(
        "--enroll-synthetic", action="store_true", help="with --source synthetic: enrol the scene's people first"
    )
    matching.add_argument(
        "--far",
        type=float,
        metavar="RATE",
        help="false-accept rate to decide at (default: the strictest that is calibrated for every number of looks)",
    )
    matching.add_argument(
        "--stopping",
        type=stopping,
        metavar="{sprt,truncated,velocity}",
        help="when an identity is committed (default: sprt, Wald's test on the match score; in video truncated, which "
        "ends after 20 observations at the latest)",
    )


def _what_is_shown(parser: ArgumentParser) -> None:
    shown = parser.add_argument_group("what is shown (with a detector; nothing is written unless asked for)")
    shown.add_argument("--record", type=Path, metavar="FILE.mp4", help="write annotated video")
    shown.add_argument("--show", action="store_true", help="open a window; q ends the run")
    shown.add_argument("--live", action="store_true", help="a line of fps, tracks and share recomputed, on stderr")
    shown.add_argument(
        "--metrics", type=integer(0, 65535), metavar="PORT", help="serve Prometheus metrics (0: any free port)"
    )
    shown.add_argument("--pixelate", action="store_true", help="blur faces that are not identified in what is shown")


def _anomalies(parser: ArgumentParser) -> None:
    anomalies = parser.add_argument_group("anomalies (with a bundle that finds them)")
    anomalies.add_argument("--overlays", type=Path, metavar="DIR", help="write each image with its heat map over it")
    anomalies.add_argument(
        "--hold-still", action="store_true", help="where nothing in the picture has changed, repeat the last verdict"
    )
    anomalies.add_argument(
        "--adapt",
        type=positive,
        metavar="N",
        help="judge relative to the running mean of about N images judged normal, for light that drifts",
    )


def _state(parser: ArgumentParser) -> None:
    state = parser.add_argument_group("state (files hold personal data; nothing is written unless asked for)")
    state.add_argument(
        "--restore",
        type=Path,
        metavar="FILE",
        help="take up the tracks of a state file: a sequence of the same name continues its track",
    )
    state.add_argument("--snapshot", type=Path, metavar="FILE", help="write the live tracks to a state file at the end")
    state.add_argument(
        "--snapshot-every", type=positive, metavar="SECONDS", help="and each time so many seconds have passed"
    )
    state.add_argument("--force", action="store_true", help="replace existing state files, recordings or overlays")
