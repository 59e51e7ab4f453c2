"""The verbs that the runtime itself brings: light halves only, nothing heavy is imported here."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from crystaledge.cli.verb import Verb
from crystaledge.commands.engines import add_engine_options
from crystaledge.commands.parsers import face_box, positive, stopping, threads
from crystaledge.identity.spec import Stopping


def _no_options(parser: ArgumentParser) -> None:
    """This verb has no options of its own."""


def _configure_run(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle folder that `export` wrote")
    source = parser.add_argument_group("what is looked at")
    source.add_argument(
        "--source",
        required=True,
        metavar="DIR|VIDEO|synthetic",
        help="folder of face crops (one sequence, or one per subfolder), a video with a centred face, or the scene",
    )
    source.add_argument(
        "--face-box",
        type=face_box,
        default=(0.0, 0.0, 1.0, 1.0),
        metavar="X1,Y1,X2,Y2",
        help="where the face is, as shares of the frame's width and height (default: the whole frame)",
    )
    source.add_argument("--frames", type=positive, metavar="N", help="stop after N frames")
    matching = parser.add_argument_group("who is looked for")
    matching.add_argument(
        "--gallery", type=Path, metavar="DIR", help="enrol every DIR/identity/*.jpg|png|pgm, in memory only"
    )
    matching.add_argument(
        "--gallery-face-box",
        type=face_box,
        default=(0.0, 0.0, 1.0, 1.0),
        metavar="X1,Y1,X2,Y2",
        help="where the face is in the gallery's images (default: the whole image)",
    )
    matching.add_argument(
        "--enroll-synthetic", action="store_true", help="with --source synthetic: enrol the scene's people first"
    )
    matching.add_argument(
        "--far", type=float, metavar="RATE", help="false-accept rate to decide at (default: the bundle's strictest)"
    )
    matching.add_argument(
        "--stopping",
        type=stopping,
        default=Stopping.SPRT,
        metavar="{sprt,velocity}",
        help="when an identity is committed (default: sprt, Wald's test on the match score)",
    )
    state = parser.add_argument_group("state (files hold personal data; nothing is written unless asked for)")
    state.add_argument(
        "--restore",
        type=Path,
        metavar="FILE",
        help="take up the tracks of a state file: a sequence of the same name continues its track",
    )
    state.add_argument("--snapshot", type=Path, metavar="FILE", help="write the live tracks to a state file at the end")
    state.add_argument("--force", action="store_true", help="replace an existing state file")
    engine = parser.add_argument_group("which graph runs")
    engine.add_argument(
        "--graph", metavar="NAME", help="graph of the bundle (default: the one that `bench` chose, else the float one)"
    )
    engine.add_argument(
        "--unverified", action="store_true", help="run it though no passed verification is on record; never deploy so"
    )
    runs = parser.add_argument_group("what runs it")
    add_engine_options(runs)
    runs.add_argument("--threads", type=threads, default=1, metavar="N", help="threads of ONNX Runtime (default: 1)")


SYSTEMS = Verb(
    name="systems",
    summary="list the systems, and what is installed to run, train and export them",
    description="Lists the systems of this version: parameters, graphs, state, and which parts are installed here.",
    extra=None,
    configure=_no_options,
    target="crystaledge.commands.systems:run",
)

RUN = Verb(
    name="run",
    summary="run a bundle on face crops, a video or the synthetic scene; JSON lines of events",
    description=(
        "Runs a bundle and prints one JSON object a line for each track in each frame: quality and velocity\n"
        "of the observation, norm of the state, whether the identity has crystallized, the best match among\n"
        "the enrolled people with its score, and the verdict with the false-accept rate it was calibrated for.\n\n"
        "Examples:\n"
        "  crystaledge run m.bundle --source synthetic --enroll-synthetic --frames 50\n"
        "  crystaledge run m.bundle --source crops/ --gallery people/\n"
        "  crystaledge run m.bundle --source talk.mp4 --face-box 0.2,0.1,0.8,0.9"
    ),
    extra="onnxruntime",
    configure=_configure_run,
    target="crystaledge.commands.run:run",
)

DOCTOR = Verb(
    name="doctor",
    summary="what this device can run, proven by running it; what is missing and how to get it",
    description=(
        "Reads what board this is, its JetPack, memory and power mode, then tries every engine: a tiny graph in\n"
        "ONNX Runtime, bytes to a CUDA device and back, a tiny engine built and run in TensorRT, each in a\n"
        "process of its own, since TensorRT without a driver crashes the process that asks it.\n"
        "For each thing that is missing it names the one command that brings it on this board.\n"
        "Exit status 1 means that no engine runs here."
    ),
    extra=None,
    configure=_no_options,
    target="crystaledge.commands.doctor:run",
)
