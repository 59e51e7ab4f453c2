"""`crystaledge run` with a detector: cameras in, one JSON line for each turn in the life of a face out."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from typing import Any

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome, talk
from crystaledge.commands.engines import engine_options
from crystaledge.commands.run_options import CROPS_ONLY, PEOPLE_ONLY, refuse_options
from crystaledge.commands.video_outputs import outputs_of
from crystaledge.errors import UsageError
from crystaledge.extras import load
from crystaledge.files import refuse_existing_file
from crystaledge.jsonio import encode
from crystaledge.outputs.json_lines import JsonLines
from crystaledge.outputs.view import StopShowing
from crystaledge.scene.crowd import CrowdConfig, CrowdSource
from crystaledge.sources.by_sequence import by_sequence
from crystaledge.sources.feeds import Feeds
from crystaledge.sources.frame import Frame, Source
from crystaledge.sources.names import NamedSource, SequenceNames
from crystaledge.sources.open import SYNTHETIC, open_gallery, open_source
from crystaledge.video.opening import by_role
from crystaledge.video.options import VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from crystaledge.video.result import FrameResult
from crystaledge.video.snapshot import restore_video, save_video

_ENROLMENT_FRAMES = 24


def run(arguments: Namespace, bundles: Sequence[Bundle]) -> Outcome:
    """Run a detector, and identities where a bundle tells them, over cameras; see the verb's help."""
    refuse_options(arguments, CROPS_ONLY, why="is about bundles that look at crops")
    if by_role(bundles)[1] is None:
        refuse_options(arguments, PEOPLE_ONLY, why="needs a bundle that tells people apart beside the detector's")
    _refuse_contradictions(arguments)
    sources = [_source(name) for name in arguments.source]
    events: list[Any] = []
    with ExitStack() as stack:
        pipeline = stack.enter_context(VideoPipeline.open(bundles, _options(arguments)))
        link = _gallery(arguments, pipeline, stack)
        if arguments.restore is not None:
            restore_video(pipeline, arguments.restore)
        lines = None if arguments.json else JsonLines(sys.stdout)
        sinks, say = outputs_of(arguments, stack, _cameras(sources))
        feeds = stack.enter_context(Feeds(sources, say=say))
        if arguments.snapshot is not None:
            stack.callback(save_video, pipeline, arguments.snapshot)
        saver = _Saver(arguments)
        try:
            for results in _results(pipeline, feeds, arguments.frames):
                for result in results:
                    dropped = feeds.dropped_since(result.view.frame.sequence)
                    sinks.show(replace(result.view, dropped_frames=dropped) if dropped else result.view)
                    if link is not None:
                        for event in result.events:
                            link.note(event)
                    if lines is None:
                        events += [encode(event) for event in result.events]
                    else:
                        lines.write(result.events)
                if link is not None:
                    link.refresh()
                saver.save(pipeline)
        except StopShowing:
            pass
    return Outcome(text="", data={"events": events})


class _Saver:
    """Writes state files on a timer."""

    def __init__(self, arguments: Namespace) -> None:
        self._path, self._every_s = arguments.snapshot, arguments.snapshot_every
        self._saved_s = time.monotonic()

    def save(self, pipeline: VideoPipeline) -> None:
        """Write one if it is time."""
        if self._every_s is not None and time.monotonic() - self._saved_s >= self._every_s:
            save_video(pipeline, self._path)
            self._saved_s = time.monotonic()


def _results(pipeline: VideoPipeline, feeds: Feeds, limit: int | None) -> Iterator[list[FrameResult]]:
    for frames in islice(iter(feeds), limit):
        yield pipeline.process(frames)


def _options(arguments: Namespace) -> VideoOptions:
    defaults = VideoOptions()
    return VideoOptions(
        engine=engine_options(arguments),
        graph=arguments.graph,
        unverified=arguments.unverified,
        say=talk,
        gate=None if arguments.no_gate else defaults.gate,
        stopping=arguments.stopping or defaults.stopping,
        false_accept_rate=arguments.far,
    )


def _refuse_contradictions(arguments: Namespace) -> None:
    if arguments.snapshot is not None:
        refuse_existing_file(arguments.snapshot, force=arguments.force)
    if arguments.snapshot_every is not None and arguments.snapshot is None:
        msg = "--snapshot-every writes the file of --snapshot; name one."
        raise UsageError(msg)
    if arguments.enroll_synthetic and SYNTHETIC not in arguments.source:
        msg = "--enroll-synthetic needs --source synthetic; for other sources name a --gallery or --gallery-db."
        raise UsageError(msg)
    if arguments.key_file is not None and arguments.gallery_db is None:
        msg = "--key-file opens the gallery of --gallery-db; name one."
        raise UsageError(msg)


def _source(name: str) -> Source:
    return CrowdSource(CrowdConfig()) if name == SYNTHETIC else open_source(name, say=talk)


def _cameras(sources: Sequence[Source]) -> list[str]:
    """Names that sequences of cameras and films will have, as `Feeds` gives them."""
    names = SequenceNames(sources)
    return [names.name_of(number, one.name) for number, one in enumerate(sources) if isinstance(one, NamedSource)]


def _gallery(arguments: Namespace, pipeline: VideoPipeline, stack: ExitStack) -> Any:
    """Enrol whom the options name; returns the link to a gallery on disk, if one is named."""
    people = list(_people(arguments))
    for name, frames in people:
        pipeline.enroll(name, frames)
    if people:
        talk(f"enrolled {len(people)} people, in memory only")
    if arguments.gallery_db is None:
        return None
    made: Any = load("crystaledge.video.gallery_opening:open_link", extra="gallery", purpose="A gallery on disk")
    return stack.enter_context(made(arguments.gallery_db, arguments.key_file, os.environ, pipeline))


def _people(arguments: Namespace) -> Iterator[tuple[str, list[Frame]]]:
    if arguments.enroll_synthetic:
        config = CrowdConfig(frames=_ENROLMENT_FRAMES)
        for number in range(config.people):
            yield f"person{number:02d}", list(CrowdSource(config, only=number, sequence="enrolment"))
    if arguments.gallery is not None:
        yield from by_sequence(open_gallery(arguments.gallery))
