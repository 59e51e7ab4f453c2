"""The verbs that the runtime itself brings: light halves only, nothing heavy is imported here."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TypeVar

from crystaledge.cli.verb import Verb
from crystaledge.identity.spec import Stopping
from crystaledge.system import System

E = TypeVar("E", bound=Enum)


def _no_options(parser: ArgumentParser) -> None:
    """This verb has no options of its own."""


def face_box(text: str) -> tuple[float, float, float, float]:
    """Parse `X1,Y1,X2,Y2` as shares of the frame."""
    try:
        x1, y1, x2, y2 = (float(part) for part in text.split(","))
    except ValueError:
        msg = f"{text!r} is not X1,Y1,X2,Y2, four shares of the frame such as 0.2,0.1,0.8,0.9"
        raise ArgumentTypeError(msg) from None
    return x1, y1, x2, y2


def integer(low: int, high: int) -> Callable[[str], int]:
    """Parser of an integer in [low, high]."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 18 and low <= int(text) <= high):
            msg = f"{text!r} is not an integer from {low} to {high}"
            raise ArgumentTypeError(msg)
        return int(text)

    return parse


positive = integer(1, 1_000_000_000)
threads = integer(1, 256)
seed = integer(0, 2**31 - 1)


def share(text: str) -> float:
    """Parse a number in [0, 1]."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        msg = f"{text!r} is not a share from 0 to 1"
        raise ArgumentTypeError(msg)
    return value


def choice(kind: type[E], what: str) -> Callable[[str], E]:
    """Parser of an enumeration's value; the message names them all."""

    def parse(text: str) -> E:
        for member in kind:
            if member.value == text:
                return member
        msg = f"{text!r} is no {what}; there are {', '.join(m.value for m in kind)}"
        raise ArgumentTypeError(msg)

    return parse


system = choice(System, "system")
stopping = choice(Stopping, "stopping rule")


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
    engine.add_argument("--threads", type=threads, default=1, metavar="N", help="threads of the engine (default: 1)")


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
