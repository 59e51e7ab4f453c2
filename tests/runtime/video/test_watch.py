"""Who watches is fetched when somebody is to be watched; without OpenCV the cure is named."""

from __future__ import annotations

import sys

import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import MissingExtraError
from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.video.options import VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from crystaledge.video.watch import watch_for
from tests.support.messages import message_of

CURE = (
    "Watching for photographs needs the package 'cv2', which is not installed; "
    "get it with: pip install 'crystaledge[vision]'"
)


@pytest.fixture
def without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device on which OpenCV is not installed."""
    for name in [name for name in sys.modules if name.startswith("crystaledge.") and name.endswith("liveness")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("registration", "unexplained_motion", "photo_check"):
        monkeypatch.delitem(sys.modules, f"crystaledge.liveness.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "cv2", None)


def test_somebody_watches() -> None:
    watch = watch_for(PhotoCheckConfig(threshold_px=3.5))
    assert watch.look([], []) == []
    assert watch.result(0).threshold_px == 3.5


@pytest.mark.usefixtures("without_opencv")
def test_without_opencv_the_cure_is_named(squares: Bundle) -> None:
    with pytest.raises(MissingExtraError) as raised:
        watch_for(PhotoCheckConfig())
    assert message_of(raised) == CURE
    with pytest.raises(MissingExtraError) as raised:
        VideoPipeline.of(squares, None, VideoOptions(liveness=PhotoCheckConfig()))
    assert message_of(raised) == CURE


@pytest.mark.usefixtures("without_opencv")
def test_a_pipeline_that_watches_nobody_needs_no_opencv(squares: Bundle) -> None:
    with VideoPipeline.of(squares, None, VideoOptions()) as pipeline:
        assert pipeline.process([]) == []
