"""What the pipeline needs of whoever tells faces from photographs, which needs OpenCV; the pipeline does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from crystaledge.extras import load
from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.liveness.result import LivenessResult
from crystaledge.sources.frame import Frame
from crystaledge.video.camera import Camera
from crystaledge.video.events import FaceEvent
from crystaledge.video.identities import Seen


class Watch(Protocol):
    """See `crystaledge.video.liveness.LivenessWatch`."""

    def look(self, seen: Sequence[Seen], shown: Sequence[tuple[Camera, Frame]], /) -> list[FaceEvent]: ...

    def result(self, track: int, /) -> LivenessResult: ...

    def is_open(self, track: int, now_s: float, /) -> bool: ...

    def end(self, track: int, /) -> None: ...


def watch_for(config: PhotoCheckConfig) -> Watch:
    """Somebody who watches.

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    made: Any = load("crystaledge.video.liveness:LivenessWatch", extra="vision", purpose="Watching for photographs")
    watch: Watch = made(config)
    return watch
