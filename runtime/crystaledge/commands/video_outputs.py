"""What `crystaledge run` shows of video, as its options say."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from crystaledge.cli.verb import talk
from crystaledge.extras import load
from crystaledge.outputs.live_line import LiveLine
from crystaledge.outputs.privacy import Privacy
from crystaledge.outputs.sinks import Sinks
from crystaledge.outputs.view import Sink


def outputs_of(
    arguments: Namespace, stack: ExitStack, cameras: Sequence[str] = ()
) -> tuple[Sinks, Callable[[str], None]]:
    """All outputs that were asked for, closed with `stack`, and how to say something without breaking their lines.

    Raises:
        MissingExtraError: a package is not installed.
        UsageError: there is no window, a port is taken, or a recording exists.
    """
    privacy = Privacy.PIXELATE if arguments.pixelate else Privacy.SHOW
    sinks: list[Sink] = []

    def add(sink: Sink) -> None:  # closed whatever happens to the ones after it
        stack.callback(sink.close)
        sinks.append(sink)

    say: Callable[[str], None] = talk
    if arguments.live:
        line = LiveLine(sys.stderr)
        add(line)
        say = line.say
    if arguments.record is not None:
        recorder = _made("record:Recorder", "vision", "Recording")
        add(recorder(arguments.record, say=say, force=arguments.force, privacy=privacy))
    if arguments.show:
        add(_made("window:Window", "vision", "A window")(cameras=cameras, privacy=privacy))
    if arguments.metrics is not None:
        metrics = _made("metrics:Metrics", "metrics", "Serving metrics")(arguments.metrics, cameras=cameras)
        say(f"metrics at http://127.0.0.1:{metrics.port}/metrics")
        add(metrics)
    together = Sinks(sinks, say=say)
    stack.callback(together.close)
    return together, say


def _made(target: str, extra: str, purpose: str) -> Any:
    return load(f"crystaledge.outputs.{target}", extra=extra, purpose=purpose)
