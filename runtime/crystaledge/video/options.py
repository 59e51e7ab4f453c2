"""How the video pipeline works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from crystaledge.detection.detector import DetectorConfig
from crystaledge.detection.gate import GateConfig
from crystaledge.engine.select import EngineOptions
from crystaledge.errors import UsageError
from crystaledge.identity.spec import Stopping
from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.pipeline import PipelineOptions
from crystaledge.tracking.config import TrackerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class LookPolicy:
    """When a face is looked at by the embedder; times in seconds of the source."""

    open_every_s: float = 0.1
    """While it is not known who it is: frames that follow each other at once say the same."""
    committed_every_s: float = 2.0
    """Once it is committed, and only if something changed."""
    smallest_px: float = 16.0
    """Square root of the box's area in the frame; smaller faces are followed and not looked at."""
    seen_share: float = 0.85
    """Of the box inside the frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoOptions:
    """Everything about a video pipeline but its bundles.

    Raises:
        UsageError: frames are looked at too seldom to watch for photographs.
    """

    engine: EngineOptions = EngineOptions()
    graph: str | None = None
    """A graph of the detector, whose precision and target all windows then have; None takes the float ones."""
    unverified: bool = False
    """Run graphs that nothing proves to be the model."""
    say: Callable[[str], None] = lambda line: None
    gate: GateConfig | None = GateConfig()
    """None looks at every frame."""
    detector: DetectorConfig = DetectorConfig()
    tracker: TrackerConfig | None = None
    """None takes the scores from the detector's bundle."""
    looks: LookPolicy = LookPolicy()
    stopping: Stopping = Stopping.TRUNCATED
    false_accept_rate: float | None = None
    frames_per_s: float = 25.0
    """Of sources that have no clock."""
    look_again_s: float = 10.0
    """A frame is processed after so long even where nothing moved."""
    liveness: PhotoCheckConfig | None = None
    """Watch for still photographs that are held up to the camera; needs OpenCV."""
    steady_every_s: float = 0.0
    """While nothing is open, that is every face in view is committed or there is none, look only so often; 0 looks at
    every frame in which something moved. Boxes are predicted meanwhile, and who comes is noticed so much later."""

    def __post_init__(self) -> None:
        if self.liveness is not None and self.steady_every_s >= self.liveness.absent_s:
            msg = (
                f"Frames are looked at every {self.steady_every_s:g} s while nobody is open, but who watches for "
                f"photographs must see who is away for {self.liveness.absent_s:g} s; look more often."
            )
            raise UsageError(msg)

    def of_identity(self) -> PipelineOptions:
        """The same for the side that tells people apart."""
        return PipelineOptions(
            engine=self.engine,
            unverified=self.unverified,
            say=self.say,
            stopping=self.stopping,
            false_accept_rate=self.false_accept_rate,
        )
