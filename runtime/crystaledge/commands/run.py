"""`crystaledge run`: frames in, events out, by a bundle that looks at crops, or by a detector and its companion."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Protocol, cast

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome
from crystaledge.commands import run_crops
from crystaledge.errors import UsageError
from crystaledge.extras import load
from crystaledge.video.opening import is_detector, opened


class _RunVideo(Protocol):
    def __call__(self, arguments: Namespace, bundles: Sequence[Bundle], /) -> Outcome: ...


def run(arguments: Namespace) -> Outcome:
    """Run bundles over sources; see the verb's help."""
    bundles = opened(arguments.bundle)
    if any(map(is_detector, bundles)):
        loaded = load("crystaledge.commands.run_video:run", extra="video", purpose="Finding faces in video")
        return cast(_RunVideo, loaded)(arguments, bundles)
    if len(bundles) > 1 or len(arguments.source) > 1:
        msg = "Without a bundle that finds faces, `run` takes one bundle and one source; add one, or leave some out."
        raise UsageError(msg)
    return run_crops.run(arguments, bundles[0])
