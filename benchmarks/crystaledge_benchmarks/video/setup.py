"""What is measured, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crystaledge.bundle import Bundle
from crystaledge.errors import DataError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Of one run of the measurement.

    Raises:
        UsageError: nothing would be measured.
    """

    detector: Bundle
    identity: Bundle
    data: Path | None = None
    """Folder with `talking_head/*.mp4` and `multi_person/*.mp4`; None leaves out what needs it."""
    peers: Path | None = None
    """The peers' own environment; None leaves them out."""
    repeats: int = 3
    steady_every_s: float = 0.0
    """See `VideoOptions.steady_every_s`; of the parts `speed` and `identity`."""
    frames: int = 220
    """Of each scene of the part `gates`."""
    clip_frames: int | None = None
    """At most so many of each clip; None takes all."""
    embed_frames: int = 20
    """Of each clip on which the peers embed faces."""
    hours: float = 1.0
    """Of video in the part `memory`."""
    sheet: Path | None = None
    """Where the contact sheet of the part `stability` goes: it shows real faces."""

    def __post_init__(self) -> None:
        counts = (self.repeats, self.frames, self.embed_frames, 1 if self.clip_frames is None else self.clip_frames)
        if min(counts) < 1 or self.hours <= 0:
            msg = "Repeats, frames and hours are numbers above 0."
            raise UsageError(msg)

    def folder(self) -> Path:
        """The data.

        Raises:
            DataError: none was named.
        """
        if self.data is None:
            msg = "This part needs real clips; name their folder with --data."
            raise DataError(msg)
        return self.data
