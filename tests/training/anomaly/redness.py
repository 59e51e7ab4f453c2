"""A network that is known to see redness alone, a decision to go with it, and what it saw of drawn parts."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from crystaledge.anomaly.scoring import Scoring
from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.preprocessing.spec import Fit, Preprocessing
from crystaledge_training.anomaly.evaluate import AnomalyEvaluation, Looked, evaluate, look
from crystaledge_training.data.anomaly_set import read_anomaly_set
from tests.training.student_teacher.builders import draw_parts

SPEC = Preprocessing(size_hw=(24, 24), fit=Fit.STRETCH, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
DECISION = AnomalyDecision(
    threshold=0.5,
    centre=0.1,
    spread=0.1,
    false_alarm_rate=0.05,
    false_alarm_interval=(0.001, 0.2),
    held_out=20,
    region_threshold=0.3,
    blur_cells=0.0,
    neighbours=0,
    rerank=0,
    calibrated_on="20 drawn parts",
)


class Redness(nn.Module):
    """How much redder than green a cell of 2 x 2 px is."""

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """`(B, 1, H/2, W/2)`."""
        return (nn.functional.avg_pool2d((image[:, :1] - image[:, 1:2]).clamp_min(0.0), 2),)


def look_at_parts(folder: Path) -> Looked:
    """Three normal parts and four bitten ones, drawn into `folder`."""
    return look(Redness(), read_anomaly_set(draw_parts(folder)).test, SPEC, Scoring())


def judged(looked: Looked, *, resamples: int = 0) -> AnomalyEvaluation:
    """What was seen, held against `DECISION`."""
    return evaluate(looked, DECISION, size_hw=(24, 24), resamples=resamples, seed=0)
