"""What a tracker may assume about detector, motion and people."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields

from crystaledge.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionNoise:
    """How faces move and how exactly they are measured; lengths in face sizes (root of width times height).

    Raises:
        UsageError: a value is not positive and finite.
    """

    position_sd: float = 0.05
    """Standard deviation of a detected centre."""
    log_size_sd: float = 0.06
    """Standard deviation of the logarithm of a detected width or height."""
    low_score_factor: float = 2.0
    """Low-score detections measure so many times worse."""
    speed_sd: float = 1.5
    """Standard deviation of a face's velocity along one axis, in sizes per second."""
    speed_memory_s: float = 3.0
    """A velocity is forgotten at this rate (its correlation falls to 1/e); large is constant velocity."""
    growth_sd: float = 0.3
    """Standard deviation of the change of log-size per second."""
    growth_memory_s: float = 0.5
    """As `speed_memory_s`, for the change of size."""

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                msg = f"{name} is {value}; give a positive number."
                raise UsageError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerConfig:
    """Limits of a tracker; times in seconds of the source, so that dropped frames change nothing.

    Raises:
        UsageError: a value is outside its range, or limits contradict each other.
    """

    high_score: float = 0.6
    """Detections from this score on take part in the first pass and may give birth."""
    low_score: float = 0.1
    """Detections below this score are ignored."""
    birth_hits: int = 3
    """A track is confirmed by so many detections ..."""
    birth_window_s: float = 0.5
    """... within this time of the first."""
    coast_s: float = 1.5
    """An undetected track is predicted on for so long, then it is lost."""
    occluded_coast_s: float = 2.5
    """The same for a track that went behind another one."""
    lost_s: float = 30.0
    """A track that was last seen so long ago is dead."""
    overlap_gate: float = 0.15
    """Smallest (buffered) IoU of a detection and the track that it continues."""
    low_overlap_gate: float = 0.3
    """The same for low-score detections."""
    buffer_min: float = 0.05
    """Both boxes are widened on each side by this share of their size before IoU is taken ..."""
    buffer_max: float = 0.6
    """... growing to this share, ..."""
    buffer_sd: float = 1.0
    """... by so many standard deviations of the predicted position."""
    unseen_trust: float = 0.8
    """IoU with a track that is coasting counts so much, since the one in front explains a box better."""
    occlusion_cover: float = 0.3
    """An undetected track is occluded where a detected one covers this share of it."""
    duplicate_iou: float = 0.7
    """Two detected boxes of this IoU are one face ..."""
    duplicate_s: float = 0.5
    """... and their tracks are merged after this time."""
    reupdate_after_s: float = 0.2
    """After a gap of this length the velocity is learned anew along the straight line across it."""
    similarity_accept: float = 3.0
    """From this similarity (log-likelihood ratio) on a detection is the person of a lost track."""
    similarity_reject: float = -3.0
    """Up to this similarity it is somebody else, wherever it is."""
    similarity_weight: float = 0.6
    """What `similarity_accept` is worth beside an IoU of 1, where motion alone does not decide."""
    doubt_after_s: float = 0.3
    """After a gap of this length motion alone does not decide."""
    newcomer_s: float = 2.0
    """Until this age a track is compared with those that are away: who comes in is seldom shown well at once."""
    patience_s: float = 0.6
    """While that comparison is unknown a track is not confirmed until this age, lest its number change at once."""
    motion: MotionNoise = field(default_factory=MotionNoise)

    def __post_init__(self) -> None:
        for name in ("high_score", "low_score", "overlap_gate", "low_overlap_gate", "unseen_trust", "occlusion_cover"):
            self._require(name, 0.0 <= getattr(self, name) <= 1.0, "a number from 0 to 1")
        for name in ("overlap_gate", "low_overlap_gate", "unseen_trust", "duplicate_iou", "birth_window_s", "coast_s"):
            self._require(name, 0.0 < getattr(self, name) < math.inf, "a positive number")
        for name in (
            "buffer_min",
            "buffer_sd",
            "duplicate_s",
            "reupdate_after_s",
            "similarity_weight",
            "doubt_after_s",
            "newcomer_s",
            "patience_s",
        ):
            self._require(name, 0.0 <= getattr(self, name) < math.inf, "a number of at least 0")
        self._require("birth_hits", self.birth_hits >= 1, "at least 1")
        self._require("low_score", self.low_score <= self.high_score, "at most high_score")
        self._require("buffer_max", self.buffer_min <= self.buffer_max < math.inf, "at least buffer_min")
        self._require("occluded_coast_s", self.coast_s <= self.occluded_coast_s, "at least coast_s")
        self._require(
            "lost_s", self.occluded_coast_s <= self.lost_s < math.inf, "at least occluded_coast_s, and finite"
        )
        self._require("similarity_accept", 0.0 < self.similarity_accept < math.inf, "a positive number")
        self._require("similarity_reject", self.similarity_reject < self.similarity_accept, "below similarity_accept")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            msg = f"{name} is {getattr(self, name)}; give {expected}."
            raise UsageError(msg)
