"""A pipeline that counts how often it looks at whom, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crystaledge.bundle import Bundle
from crystaledge.pipeline import PipelineOptions
from crystaledge.sources.frame import Frame
from crystaledge.systems.mnemosyne_crystallizer import Crystallizer, FaceLook
from crystaledge.systems.mnemosyne_records import IdentityEvent
from crystaledge.video.face_finder import FaceFinder
from crystaledge.video.options import VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from crystaledge.video.result import FrameResult
from crystaledge_benchmarks.cpu import CpuClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one film took."""

    open_looks: int
    """Embeddings of tracks of which it was open who they are."""
    committed_looks: int
    """Embeddings of tracks that were committed."""
    tracks: int
    """That were looked at."""
    identity_cpu_ms: float
    """Cutting faces out, embedding and matching them."""
    cpu_ms: float
    """All of it, decoding left out."""

    @property
    def looks(self) -> int:
        """All embeddings."""
        return self.open_looks + self.committed_looks


class CountedCrystallizer(Crystallizer):
    """Counts and times what it observes; what it learns in enrolment is not counted."""

    def __init__(self, bundle: Bundle, options: PipelineOptions) -> None:
        super().__init__(bundle, options)
        self.clear()

    def clear(self) -> None:
        """Count from nothing."""
        self.open_looks, self.committed_looks, self.looked_at, self.clock = 0, 0, set[int](), CpuClock()

    def observe(self, looks: Sequence[FaceLook]) -> list[IdentityEvent]:
        """As the crystallizer does."""
        committed = sum(self.record(look.track).committed is not None for look in looks)
        self.committed_looks += committed
        self.open_looks += len(looks) - committed
        self.looked_at.update(look.track for look in looks)
        with self.clock:
            return super().observe(looks)


class CountedPipeline(VideoPipeline):
    """Times itself, and has such a crystallizer."""

    def __init__(self, detector: Bundle, identity: Bundle, options: VideoOptions) -> None:
        finder = FaceFinder(detector, options)
        try:
            self.counted = CountedCrystallizer(identity, options.of_identity())
        except BaseException:
            finder.close()
            raise
        super().__init__(finder, self.counted, options)
        self._clock = CpuClock()

    def process(self, frames: Sequence[Frame]) -> list[FrameResult]:
        """As the pipeline does."""
        with self._clock:
            return super().process(frames)

    def take_spent(self) -> Spent:
        """What was spent since this was last asked."""
        counted = self.counted
        spent = Spent(
            open_looks=counted.open_looks,
            committed_looks=counted.committed_looks,
            tracks=len(counted.looked_at),
            identity_cpu_ms=counted.clock.total_s * 1e3,
            cpu_ms=self._clock.total_s * 1e3,
        )
        counted.clear()
        self._clock = CpuClock()
        return spent
