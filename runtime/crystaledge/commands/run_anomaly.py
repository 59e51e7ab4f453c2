"""`crystaledge run` with a bundle that finds anomalies: one JSON line an image, and pictures if wanted."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, cast

from crystaledge.anomaly.line import LineOptions
from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome, talk
from crystaledge.commands.engines import engine_options
from crystaledge.commands.run_options import CROPS_ONLY, PEOPLE_ONLY, VIDEO_ONLY, refuse_options
from crystaledge.errors import UsageError
from crystaledge.extras import load
from crystaledge.jsonio import encode
from crystaledge.outputs.json_lines import JsonLines
from crystaledge.pipeline import PipelineOptions
from crystaledge.sources.frame import Frame
from crystaledge.sources.open import SYNTHETIC, open_source
from crystaledge.systems.anomaly import AnomalyPipeline, Looked

_Show = Callable[[Frame, Looked], None]


def run(arguments: Namespace, bundles: Sequence[Bundle]) -> Outcome:
    """Run the one bundle over a source; see the verb's help."""
    (bundle,) = bundles
    not_ours = dict.fromkeys([*PEOPLE_ONLY, *CROPS_ONLY, *VIDEO_ONLY])
    refuse_options(arguments, tuple(not_ours), why="is about faces, and this bundle finds anomalies")
    if arguments.source == [SYNTHETIC]:
        msg = "The synthetic scene shows faces, and this bundle finds anomalies; name images or a video by --source."
        raise UsageError(msg)
    source = open_source(arguments.source[0], say=talk)
    options = PipelineOptions(
        engine=engine_options(arguments), graph=arguments.graph, unverified=arguments.unverified, say=talk
    )
    line = LineOptions(hold_still=arguments.hold_still, adapt_images=arguments.adapt or 0)
    kept: list[Any] = []
    lines = None if arguments.json else JsonLines(sys.stdout)
    with AnomalyPipeline(bundle, options, line) as pipeline:
        show = _overlays(arguments, pipeline)
        for frame in islice(source, arguments.frames):
            looked = pipeline.look(frame)
            show(frame, looked)
            if lines is None:
                kept.append(encode(looked.event))
            else:
                lines.write([looked.event])
    return Outcome(text="", data={"events": kept})


def _overlays(arguments: Namespace, pipeline: AnomalyPipeline) -> _Show:
    """Writes pictures where they were asked for."""
    if arguments.overlays is None:
        return lambda frame, looked: None
    made = load("crystaledge.outputs.heat_maps:HeatMaps", extra="vision", purpose="Writing heat maps")
    writer = cast("Callable[..., Any]", made)(arguments.overlays, pipeline.decision, force=arguments.force)
    return cast(_Show, writer.write)
