"""From the options of a command line to a set of sequences, with a progress bar."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from crystaledge.errors import DataError, UsageError
from crystaledge.locate import FixedBox
from crystaledge.sources.open import SYNTHETIC
from crystaledge_calibration.clips import Clip, PhotoClip, open_clips
from crystaledge_calibration.sequence_set import SequenceSet, choose_sequences


def clips_of(arguments: Namespace, *, scene_seed: int) -> list[Clip]:
    """The clips that `--data` and `--people` name.

    Args:
        scene_seed: which drawn people; calibration and verification must not share them.

    Raises:
        UsageError: `--people` for data that has none.
        DataError: there is nothing to be found.
    """
    people = arguments.people
    clips = open_clips(arguments.data, people=people, scene_seed=scene_seed)
    if not clips:
        msg = f"None of the identities of {people} has a folder in {arguments.data}; check both."
        raise DataError(msg)
    if people is not None and not isinstance(clips[0], PhotoClip):
        msg = f"--people names identities of a folder; {arguments.data} has none. Leave it out."
        raise UsageError(msg)
    return clips


def sequences_of(arguments: Namespace, clips: list[Clip], *, steps: int) -> SequenceSet:
    """The sequences to roll out; see `choose_sequences`."""
    with progress_bar(min(arguments.sequences, len(clips)), "reading sequences") as advance:
        return choose_sequences(
            clips,
            sequences=arguments.sequences,
            steps=steps,
            warm_up=arguments.warm_up,
            seed=arguments.seed,
            box=FixedBox(arguments.face_box),
            progress=advance,
        )


def threads_of(arguments: Namespace) -> int:
    """`--threads`, or all cores: calibration is not deployment."""
    return int(arguments.threads or len(os.sched_getaffinity(0)))


@contextmanager
def progress_bar(total: int | None, label: str) -> Iterator[Callable[[int], object]]:
    """A bar on stderr while work goes on; silent where nobody watches."""
    with tqdm(total=total, desc=label, unit="", leave=False, disable=None) as bar:
        yield bar.update


SYNTHETIC_NOTE = (
    f"{SYNTHETIC}: drawn faces are no real ones; calibrate and verify with data of the deployment before you ship"
)
