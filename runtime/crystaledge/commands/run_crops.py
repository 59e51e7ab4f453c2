"""`crystaledge run` with a bundle that looks at faces at a known place: one JSON line an observation."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome, talk
from crystaledge.commands.engines import engine_options
from crystaledge.commands.run_options import ANOMALY_ONLY, VIDEO_ONLY, WHOLE, refuse_options
from crystaledge.errors import UsageError
from crystaledge.files import refuse_existing_file
from crystaledge.identity.spec import Stopping
from crystaledge.jsonio import encode
from crystaledge.locate import FixedBox
from crystaledge.pipeline import Pipeline, PipelineOptions
from crystaledge.scene.scene import SceneConfig, SyntheticSource
from crystaledge.sources.by_sequence import by_sequence
from crystaledge.sources.frame import Frame, Source
from crystaledge.sources.open import SYNTHETIC, open_gallery, open_source

_ENROLMENT_TAKE = 1
_ENROLMENT_FRAMES = 8


def run(arguments: Namespace, bundles: Sequence[Bundle]) -> Outcome:
    """Run the one bundle over a source; see the verb's help."""
    (bundle,) = bundles
    refuse_options(arguments, VIDEO_ONLY, why="needs a bundle that finds faces")
    refuse_options(arguments, ANOMALY_ONLY, why="needs a bundle that finds anomalies")
    if arguments.snapshot is not None:
        refuse_existing_file(arguments.snapshot, force=arguments.force)
    if arguments.enroll_synthetic and arguments.source != [SYNTHETIC]:
        msg = "--enroll-synthetic needs --source synthetic; for other sources name a --gallery."
        raise UsageError(msg)
    source = open_source(arguments.source[0], say=talk)
    box, gallery_box = FixedBox(arguments.face_box or WHOLE), FixedBox(arguments.gallery_face_box or WHOLE)
    options = PipelineOptions(
        engine=engine_options(arguments),
        say=talk,
        graph=arguments.graph,
        unverified=arguments.unverified,
        stopping=arguments.stopping or Stopping.SPRT,
        false_accept_rate=arguments.far,
        locator=gallery_box,
    )
    with Pipeline.open(bundle, options) as pipeline:
        if arguments.gallery is not None:
            _enroll(pipeline, open_gallery(arguments.gallery))
        if arguments.enroll_synthetic:
            _enroll(pipeline, SyntheticSource(_enrolment_scene(), take_number=_ENROLMENT_TAKE))
        pipeline.locate_with(box)
        if arguments.restore is not None:
            pipeline.restore(arguments.restore)
        try:
            events = _follow(pipeline, islice(source, arguments.frames), keep=arguments.json)
        finally:  # also when the reader of the events went away, or somebody stopped the run
            if arguments.snapshot is not None:
                pipeline.snapshot(arguments.snapshot)
    return Outcome(text="", data={"events": events})


def _enrolment_scene() -> SceneConfig:
    return replace(SceneConfig(), frames_per_person=_ENROLMENT_FRAMES, degraded=0.0)


def _enroll(pipeline: Pipeline, source: Source) -> None:
    people = 0
    for name, frames in by_sequence(source):
        pipeline.enroll(name, frames)
        people += 1
    talk(f"enrolled {people} people, in memory only")


def _follow(pipeline: Pipeline, frames: Iterable[Frame], *, keep: bool) -> list[Any]:
    kept: list[Any] = []
    for frame in frames:
        events = pipeline.process(frame)
        if keep:
            kept.extend(encode(event) for event in events)
            continue
        for event in events:
            sys.stdout.write(json.dumps(encode(event), allow_nan=False) + "\n")
        sys.stdout.flush()
    return kept
