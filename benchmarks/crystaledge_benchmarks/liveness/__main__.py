"""Measure how well still photographs that are held up to the camera are told from faces.

python -m crystaledge_benchmarks.liveness --detector D.bundle --identity M.bundle --lfw DIR [--clips DIR]
    [--photographs N] [--stills N] [--json out.json]

The threshold comes from photographs of LFW's training people alone; nobody alive had a part in it. Error rates are of
photographs of its test people, of the people of the clips as they live, and of stills of the same clips. Attacks are
drawn: sheets are moved, bent, seen by a noisy sensor, and go through the detector like everything else.
Films that are replayed, masks, cut-outs and injected streams are not measured: they pass.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import talk
from crystaledge.commands.parsers import positive
from crystaledge.errors import CrystalEdgeError
from crystaledge.files import write_atomic
from crystaledge.jsonio import dumps
from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge_benchmarks.liveness.films import attack_film, film_photographs, lfw_photographs
from crystaledge_benchmarks.liveness.looks import FaceWatcher
from crystaledge_benchmarks.liveness.presentation import Photograph
from crystaledge_benchmarks.liveness.sheet_motion import AttackKind
from crystaledge_benchmarks.liveness.tables import LivenessResults, compare, report
from crystaledge_benchmarks.liveness.windows import StateRecorder, Window, windows_of
from crystaledge_benchmarks.machine import describe_machine
from crystaledge_benchmarks.video.clips import TALKING_HEADS, clips_in, frames_of

_SEED = 7


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, and write everything where `--json` says."""
    options = _parser().parse_args(arguments)
    cv2.setNumThreads(1)
    try:
        results = measure(options)
        made = report(results)
        sys.stdout.write(made.text() + "\n")
        if options.json is not None:
            record = {"machine": describe_machine(), "findings": made.findings, "record": made.record}
            write_atomic(options.json, dumps(record).encode())
    except CrystalEdgeError as error:
        talk(f"error: {error}")
        return error.exit_status
    return 0


def measure(options: argparse.Namespace) -> LivenessResults:
    """Show everything to the check, and compare.

    Raises:
        DataError: a folder lacks what it should hold.
    """
    session = _Session(options)
    taught = lfw_photographs(options.lfw, "peopleDevTrain.txt", options.photographs, seed=_SEED)
    calibration = list(session.attacks(taught, part=0))
    talk(f"{len(calibration)} windows of photographs of training people")
    shown = lfw_photographs(options.lfw, "peopleDevTest.txt", options.photographs, seed=_SEED)
    others = list(session.attacks(shown, part=1))
    talk(f"{len(others)} windows of photographs of test people")
    clips = list(session.clips())
    talk(f"presentations: {', '.join(f'{count} {kind.value}' for kind, count in session.shown.items())}")
    return compare(calibration, others, clips, session.config, seed=_SEED)


class _Session:
    """Everything that windows are made with."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.config = PhotoCheckConfig()
        self.shown: Counter[AttackKind] = Counter()
        self._clips = [] if options.clips is None else clips_in(options.clips, TALKING_HEADS)
        self._stills = options.stills
        self._watcher = FaceWatcher(Bundle.open(options.detector))
        self._recorder = StateRecorder(Bundle.open(options.identity))

    def attacks(self, photographs: Iterator[Photograph], *, part: int) -> Iterator[Window]:
        """Each photograph in each way; what the detector loses on the way is no presentation."""
        for number, photograph in enumerate(photographs):
            for kind in AttackKind:
                film = attack_film(photograph, kind, seed=(_SEED, part, number))
                looks = self._watcher.main_face(film, every_s=self.config.every_s)
                windows = windows_of(looks, self._recorder, self.config, person=photograph.person, kind=kind)
                self.shown[kind] += 1
                yield from islice(windows, 1)

    def clips(self) -> Iterator[Window]:
        """People of clips alive, and stills of them."""
        for number, path in enumerate(self._clips):
            frames = frames_of(path)
            looks = self._watcher.main_face(frames, every_s=self.config.every_s)
            yield from windows_of(looks, self._recorder, self.config, person=path.stem, kind=None)
            stills = film_photographs(path.stem, frames, looks, self._stills)
            yield from self.attacks(stills, part=2 + number)
            talk(f"{path.stem} done")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="crystaledge_benchmarks.liveness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--detector", type=Path, required=True, help="bundle of a detector")
    parser.add_argument("--identity", type=Path, required=True, help="bundle whose states are measured beside it")
    parser.add_argument("--lfw", type=Path, required=True, help="LFW's folder, with its official lists")
    parser.add_argument("--clips", type=Path, help="folder with talking_head/*.mp4 (default: no living people)")
    parser.add_argument("--photographs", type=positive, default=100, help="people of each LFW list (default: 100)")
    parser.add_argument("--stills", type=positive, default=5, help="of each clip (default: 5)")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
