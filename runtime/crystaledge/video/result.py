"""What the pipeline gives for one frame of one camera."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge.outputs.view import FrameView
from crystaledge.video.events import FaceEvent


@dataclass(frozen=True, slots=True)
class FrameResult:
    """Events, and everything that can be shown."""

    view: FrameView
    events: tuple[FaceEvent, ...]
