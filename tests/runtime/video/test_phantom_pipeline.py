"""Phantom behind the interface that all systems share."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import UsageError
from crystaledge.locate import FixedBox
from crystaledge.pipeline import Pipeline
from crystaledge.systems.phantom import PhantomPipeline
from crystaledge.video.events import FaceTurn
from crystaledge.video.pipeline import VideoPipeline
from tests.runtime.video.squares import events_of, film, turns, walk


def test_it_tells_what_the_video_pipeline_tells(squares: Bundle) -> None:
    frames = film([*walk((10, 50), (3, 0), 8), *[[]] * 25])
    with Pipeline.open(squares) as pipeline:
        assert isinstance(pipeline, PhantomPipeline)
        found = [event for frame in frames for event in pipeline.process(frame)]
    with VideoPipeline.of(squares, None) as video:
        assert found == events_of(video, frames)
    assert [turn for _, turn, _ in turns(found)] == [FaceTurn.APPEARED, FaceTurn.LOST]


def test_what_is_about_people_is_refused(squares: Bundle, tmp_path: Path) -> None:
    with Pipeline.open(squares) as pipeline:
        with pytest.raises(UsageError, match="takes no locator"):
            pipeline.locate_with(FixedBox((0.0, 0.0, 1.0, 1.0)))
        with pytest.raises(UsageError, match="tells nobody apart"):
            pipeline.enroll("Ada", [])
        for refused in (pipeline.snapshot, pipeline.restore):
            with pytest.raises(UsageError, match="keeps no tracks of people"):
                refused(tmp_path / "state")
    assert list(tmp_path.iterdir()) == []
