"""A draft: float weights, cuts of ranges and the nodes that become int8; what the recipe tries and compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onnx import ModelProto

from crystaledge.manifest.model import Target
from crystaledge_calibration.choices import Calibrator
from crystaledge_calibration.closed_loop_score import Score, Scorer
from crystaledge_calibration.qdq import TensorRange, with_qdq
from crystaledge_calibration.ranges import Observations, cut

TRAINED = "trained"


@dataclass(frozen=True, slots=True)
class Cut:
    """Where one tensor's range was cut, and by what."""

    amax: float
    by: str
    """A calibrator's name, or "trained"."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One way to quantize a graph."""

    model: ModelProto
    """In float32; its weights may have been equalised, corrected or trained."""
    target: Target
    seen: Mapping[str, Observations]
    cuts: Mapping[str, Cut]
    nodes: tuple[str, ...]
    """Weighted nodes in int8."""

    def ranges(self) -> dict[str, TensorRange]:
        """The cuts as ranges: symmetric for TensorRT, from the lowest to the highest value for the CPU."""
        return {name: self._range(self.seen[name], c.amax) for name, c in self.cuts.items()}

    def build(self, *, model: ModelProto | None = None, nodes: tuple[str, ...] | None = None) -> ModelProto:
        """The Q/DQ graph; of other weights or other nodes, if given."""
        chosen = self.nodes if nodes is None else nodes
        return with_qdq(model or self.model, self.target, self.ranges(), nodes=chosen)

    def _range(self, seen: Observations, amax: float) -> TensorRange:
        if self.target is Target.TENSORRT:
            return TensorRange(-amax, amax)
        return TensorRange(max(seen.low, -amax), min(seen.high, amax))


@dataclass(frozen=True, slots=True)
class Tried:
    """A draft with its score."""

    draft: Draft
    score: Score


def tried(judge: Scorer, *drafts: Draft) -> list[Tried]:
    """Build and score drafts."""
    scores = judge.score_all([draft.build() for draft in drafts])
    return [Tried(draft, score) for draft, score in zip(drafts, scores, strict=True)]


def cuts_by(calibrator: Calibrator, seen: Mapping[str, Observations]) -> dict[str, Cut]:
    """Every tensor cut by one calibrator."""
    return {name: Cut(cut(observations, calibrator), calibrator.value) for name, observations in seen.items()}
