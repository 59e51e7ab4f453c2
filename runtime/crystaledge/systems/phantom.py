"""Host side of Phantom alone: faces are found and followed, and nobody is told apart; see `crystaledge.video`."""

from __future__ import annotations

from collections.abc import Sequence

from crystaledge.bundle import Bundle
from crystaledge.pipeline import Pipeline, PipelineOptions
from crystaledge.sources.frame import Frame
from crystaledge.video.events import FaceEvent
from crystaledge.video.options import VideoOptions
from crystaledge.video.pipeline import VideoPipeline


class PhantomPipeline(Pipeline):
    """Runs a Phantom bundle on one frame at a time; each sequence is a camera."""

    def __init__(self, bundle: Bundle, options: PipelineOptions) -> None:
        chosen = VideoOptions(
            engine=options.engine, graph=options.graph, unverified=options.unverified, say=options.say
        )
        self.bundle = bundle
        self._video = VideoPipeline.of(bundle, None, chosen)

    def process(self, frame: Frame) -> Sequence[FaceEvent]:
        """Turns in the lives of the faces that a frame shows."""
        (result,) = self._video.process([frame])
        return result.events

    def close(self) -> None:
        """Let go of the engines."""
        self._video.close()
