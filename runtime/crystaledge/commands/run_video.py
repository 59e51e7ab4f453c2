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
from typing import Any, Protocol

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome, talk
from crystaledge.commands.engines import engine_options
from crystaledge.commands.run_options import ANOMALY_ONLY, CROPS_ONLY, PEOPLE_ONLY, refuse_options
from crystaledge.commands.video_outputs import outputs_of
from crystaledge.errors import DataError, UsageError
from crystaledge.extras import load
from crystaledge.files import refuse_existing_file
from crystaledge.jsonio import encode
from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.outputs.json_lines import JsonLines
from crystaledge.outputs.sinks import Sinks
from crystaledge.outputs.view import StopShowing
from crystaledge.scene.crowd import CrowdConfig, CrowdSource
from crystaledge.sources.by_sequence import by_sequence
from crystaledge.sources.feeds import Feeds
from crystaledge.sources.frame import Frame, Source
from crystaledge.sources.names import NamedSource, SequenceNames
from crystaledge.sources.open import SYNTHETIC, open_gallery, open_source
from crystaledge.video.events import FaceEvent
from crystaledge.video.opening import by_role
from crystaledge.video.options import VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from crystaledge.video.snapshot import restore_video, save_video

_ENROLMENT_FRAMES = 24


class GalleryNotes(Protocol):
    """What a run needs of the gallery on disk; `crystaledge.video.gallery_link.GalleryLink` is it."""

    def note(self, event: FaceEvent, /) -> None: ...

    def refresh(self) -> bool: ...


def run(arguments: Namespace, bundles: Sequence[Bundle]) -> Outcome:
    """Run a detector, and identities where a bundle tells them, over cameras; see the verb's help."""
    refuse_options(arguments, CROPS_ONLY, why="is about bundles that look at crops")
    refuse_options(arguments, ANOMALY_ONLY, why="needs a bundle that finds anomalies")
    if by_role(bundles)[1] is None:
        refuse_options(arguments, PEOPLE_ONLY, why="needs a bundle that tells people apart beside the detector's")
    _refuse_contradictions(arguments)
    sources = [_source(name) for name in arguments.source]
    with ExitStack() as stack:
        pipeline = stack.enter_context(VideoPipeline.open(bundles, _options(arguments)))
        link = _gallery(arguments, pipeline, stack)
        if arguments.restore is not None:
            restore_video(pipeline, arguments.restore)
        sinks, say = outputs_of(arguments, stack, _cameras(sources))
        feeds = stack.enter_context(Feeds(sources, say=say))
        if arguments.snapshot is not None:
            stack.callback(save_video, pipeline, arguments.snapshot)
        told = _Told(None if arguments.json else JsonLines(sys.stdout), link)
        _follow(pipeline, feeds, sinks, told, _Saver(arguments), rounds=arguments.frames)
    return Outcome(text="", data={"events": told.kept})


def _follow(
    pipeline: VideoPipeline, feeds: Feeds, sinks: Sinks, told: _Told, saver: _Saver, *, rounds: int | None
) -> None:
    """Until the sources have ended, so many rounds are over, or somebody closes the window."""
    try:
        for frames in islice(iter(feeds), rounds):
            for result in pipeline.process(frames):
                dropped = feeds.dropped_since(result.view.frame.sequence)
                sinks.show(replace(result.view, dropped_frames=dropped) if dropped else result.view)
                told.tell(result.events)
            told.refresh()
            saver.save(pipeline)
            if not feeds.ended:  # what is alive at the very end may go on from a state file
                for sequence in feeds.finished():
                    told.tell(pipeline.forget_camera(sequence))
    except StopShowing:
        pass


class _Told:
    """Where events go: out, or into one JSON object, and recognitions into the gallery's audit."""

    def __init__(self, lines: JsonLines | None, link: GalleryNotes | None) -> None:
        self.kept: list[Any] = []
        self._lines, self._link = lines, link

    def tell(self, events: Sequence[FaceEvent]) -> None:
        """Tell of the turns of one frame."""
        if self._link is not None:
            for event in events:
                self._link.note(event)
        if self._lines is None:
            self.kept += [encode(event) for event in events]
        else:
            self._lines.write(events)

    def refresh(self) -> None:
        """Take over who was enrolled or forgotten elsewhere."""
        if self._link is not None:
            self._link.refresh()


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
        steady_every_s=arguments.steady_every or 0.0,
        liveness=PhotoCheckConfig() if arguments.liveness else None,
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


def _gallery(arguments: Namespace, pipeline: VideoPipeline, stack: ExitStack) -> GalleryNotes | None:
    """Enrol whom the options name; returns the link to a gallery on disk, if one is named."""
    people = 0
    for name, frames in _people(arguments):
        try:
            pipeline.enroll(name, frames)
        except DataError as error:
            msg = f"Cannot enrol {name!r}: {error}"
            raise DataError(msg) from error
        people += 1
    if people:
        talk(f"enrolled {people} people, in memory only")
    if arguments.gallery_db is None:
        return None
    made: Any = load("crystaledge.video.gallery_opening:open_link", extra="gallery", purpose="A gallery on disk")
    link: GalleryNotes = stack.enter_context(made(arguments.gallery_db, arguments.key_file, os.environ, pipeline))
    return link


def _people(arguments: Namespace) -> Iterator[tuple[str, list[Frame]]]:
    if arguments.enroll_synthetic:
        config = CrowdConfig(frames=_ENROLMENT_FRAMES)
        for number in range(config.people):
            yield f"person{number:02d}", list(CrowdSource(config, only=number, sequence="enrolment"))
    if arguments.gallery is not None:
        yield from by_sequence(open_gallery(arguments.gallery))
