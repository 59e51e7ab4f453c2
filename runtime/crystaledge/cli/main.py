"""The command `crystaledge`: finds the verbs, runs one, turns errors into one line and a status."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points, version
from types import FrameType
from typing import NoReturn, cast

from crystaledge.cli.verb import Outcome, Run, Verb, talk
from crystaledge.errors import CrystalEdgeError, UsageError
from crystaledge.extras import load

_GROUP = "crystaledge.verbs"
_ORDER = (
    "systems",
    "train",
    "evaluate",
    "export",
    "quantize",
    "lint",
    "build",
    "triton",
    "verify",
    "bench",
    "report",
    "run",
    "enroll",
    "identities",
    "forget",
    "doctor",
    "demo",
)
_INTERRUPTED = 130
_BUG = 70
"""EX_SOFTWARE of sysexits.h."""


class _OneLineParser(argparse.ArgumentParser):
    """Says in one line what is wrong, where argparse would print the whole usage."""

    def error(self, message: str) -> NoReturn:
        msg = f"{message[0].upper()}{message[1:]}; see: {self.prog} --help"
        raise UsageError(msg)


def find_verbs() -> list[Verb]:
    """All registered verbs, whether or not what they need is installed."""
    verbs = [cast(Verb, point.load()) for point in entry_points(group=_GROUP)]
    return sorted(verbs, key=lambda v: (_ORDER.index(v.name) if v.name in _ORDER else len(_ORDER), v.name))


def build_parser(verbs: Sequence[Verb]) -> argparse.ArgumentParser:
    """Parser for the command line."""
    parser = _OneLineParser(
        prog="crystaledge",
        description="Small recurrent vision models from PyTorch to the edge; proof that nothing is lost over time.",
        epilog="Exit status: 0 done and passed; 1 done and the answer is no; 2 bad input or usage.",
    )
    parser.add_argument("--version", action="version", version=f"crystaledge {version('crystaledge')}")
    commands = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=_OneLineParser)
    for verb in verbs:
        needs = (
            "" if verb.extra is None else f"\n\nNeeds the extra {verb.extra!r}: pip install 'crystaledge[{verb.extra}]'"
        )
        child = commands.add_parser(
            verb.name,
            help=verb.summary,
            description=verb.description + needs,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.configure(child)
        child.add_argument("--json", action="store_true", help="print one JSON object on stdout; talk goes to stderr")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    with _stopped_like_ctrl_c():
        return _main(arguments)


@contextmanager
def _stopped_like_ctrl_c() -> Iterator[None]:
    """SIGTERM, which service managers send, ends a verb as Ctrl-C does: state files are written, devices let go of."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _main(arguments: Sequence[str] | None) -> int:
    try:
        verbs = find_verbs()
        parsed = build_parser(verbs).parse_args(arguments)
        verb = next(v for v in verbs if v.name == parsed.verb)
        run = cast(Run, load(verb.target, extra=verb.extra, purpose=f"crystaledge {verb.name}"))
        return _finish(run(parsed), as_json=parsed.json)
    except CrystalEdgeError as error:
        talk(f"crystaledge: {' '.join(str(error).split())}")
        return error.exit_status
    except KeyboardInterrupt:
        talk("crystaledge: interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader went away, as `head` does; keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, MemoryError) as error:
        talk(
            f"crystaledge: {' '.join(str(error).split()) or 'out of memory'}; check the paths, rights, space and sizes"
        )
        return CrystalEdgeError.exit_status
    except Exception:
        # Status 1 would read as "the answer is no"; a bug is neither that nor bad input.
        traceback.print_exc()
        return _BUG


def _finish(outcome: Outcome, *, as_json: bool) -> int:
    text = json.dumps(outcome.data, allow_nan=False) if as_json else outcome.text
    if text:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
