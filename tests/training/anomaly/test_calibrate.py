"""A decision from held-out images: the runtime's scores, nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

from crystaledge.anomaly.scoring import Scoring
from crystaledge.errors import DataError
from crystaledge_training.anomaly.calibrate import calibrated
from crystaledge_training.anomaly.look import look_at
from crystaledge_training.anomaly.threshold import choose_decision
from tests.support.messages import message_of
from tests.training.anomaly.redness import SPEC, Redness
from tests.training.student_teacher.builders import draw_parts


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = draw_parts(tmp_path_factory.mktemp("parts"), train=9)
    return sorted((root / "train" / "good").iterdir())


@pytest.mark.parametrize("blur_cells", [0.0, 1.5])
def test_is_chosen_on_what_the_runtime_would_score(paths: list[Path], blur_cells: float) -> None:
    scoring = Scoring(blur_cells=blur_cells)
    found = calibrated(Redness(), paths, SPEC, scoring, false_alarm_rate=0.25, data="drawn parts")
    scores = np.array([look.scored.raw for look in look_at(Redness(), paths, SPEC, scoring)], np.float32)
    expected = choose_decision(
        scores, scores, scoring, false_alarm_rate=0.25, calibrated_on="9 held-out normal images of drawn parts"
    )
    assert found == expected
    assert (scores >= found.threshold).sum() == 1, "one of nine may lie above, as 10 x 0.25 says"


class Broken(nn.Module):
    """Gives what is not a number."""

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """`(B, 1, h, w)`."""
        return (image[:, :1] * float("nan"),)


def test_scores_that_are_not_finite_are_refused(paths: list[Path]) -> None:
    with pytest.raises(DataError) as raised:
        calibrated(Broken(), paths, SPEC, Scoring(), false_alarm_rate=0.05, data="drawn parts")
    assert "finite scores" in message_of(raised)


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="0 held-out"):
        calibrated(Redness(), [], SPEC, Scoring(), false_alarm_rate=0.05, data="drawn parts")
