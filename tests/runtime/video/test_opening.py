"""Which bundle does what, and how the pipeline is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import CrystalEdgeError, UsageError
from crystaledge.identity.spec import Stopping
from crystaledge.video.face_finder import FOUNDING_SHARE
from crystaledge.video.opening import by_role, is_detector, opened
from crystaledge.video.options import VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from tests.runtime.video.bright_square import LOW_SCORE, POINT_SCORE


def test_bundles_are_told_apart_by_what_they_decide_about(squares: Bundle, colours: Bundle) -> None:
    assert is_detector(squares)
    assert not is_detector(colours)
    assert by_role([squares, colours]) == by_role([colours, squares]) == (squares, colours)
    assert by_role([squares]) == (squares, None)


@pytest.mark.parametrize("which", ["", "c", "ss", "cc", "scc", "ssc"])
def test_other_sets_of_bundles_are_refused(squares: Bundle, colours: Bundle, which: str) -> None:
    with pytest.raises(UsageError, match="expected one detector"):
        by_role([{"s": squares, "c": colours}[letter] for letter in which])


def test_paths_are_opened_and_bundles_taken_as_they_are(squares: Bundle, colours: Bundle, tmp_path: Path) -> None:
    first, second = opened([squares, str(colours.path)])
    assert first is squares
    assert second.manifest == colours.manifest
    with pytest.raises(CrystalEdgeError):
        opened([tmp_path / "none.bundle"])


def test_a_pipeline_is_opened_from_paths_in_any_order(squares: Bundle, colours: Bundle) -> None:
    with VideoPipeline.open([colours.path, squares.path]) as pipeline:
        assert pipeline.crystallizer is not None
        assert pipeline.options == VideoOptions()
        # Scores come from the detector's bundle.
        founding = pytest.approx(FOUNDING_SHARE * POINT_SCORE)
        assert pipeline.tracker_config.high_score == founding
        assert pipeline.tracker_config.low_score == LOW_SCORE


def test_the_identitys_options_are_those_of_the_whole() -> None:
    options = VideoOptions(stopping=Stopping.SPRT, false_accept_rate=0.1, unverified=True, graph="detector's own")
    identity = options.of_identity()
    assert (identity.stopping, identity.false_accept_rate, identity.unverified) == (Stopping.SPRT, 0.1, True)
    assert identity.engine is options.engine
    assert identity.graph is None
