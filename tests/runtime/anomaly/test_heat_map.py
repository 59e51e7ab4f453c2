"""Maps at the image's size, and pictures with them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from crystaledge.anomaly.heat_map import enlarged, overlay
from crystaledge.anomaly.verdict import AnomalyVerdict
from crystaledge.errors import OutputExistsError
from crystaledge.outputs.heat_maps import HeatMaps
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from crystaledge.systems.anomaly import AnomalyEvent, Looked
from tests.runtime.anomaly.test_region_and_verdict import DECISION

GREY = np.full((40, 60, 3), 100, np.uint8)


def looked(*, region: tuple[float, float, float, float] | None) -> Looked:
    cells = np.zeros((4, 6), np.float32)
    cells[1, 2] = 10.0
    event = AnomalyEvent(
        frame=7,
        sequence="line/../1",
        verdict=AnomalyVerdict.NORMAL if region is None else AnomalyVerdict.ANOMALOUS,
        score=0.9,
        raw=3.0,
        threshold=2.0,
        false_alarm_rate=0.05,
        region_xyxy=region,
    )
    return Looked(event, cells)


def test_a_constant_map_stays_constant_and_a_peak_stays_in_its_place() -> None:
    constant = enlarged(np.full((3, 5), 2.5, np.float32), (30, 70), blur_px=4.0)
    np.testing.assert_allclose(constant, 2.5, rtol=1e-6)
    cells = np.zeros((4, 6), np.float32)
    cells[1, 2] = 1.0
    large = enlarged(cells, (40, 60))
    assert large.shape == (40, 60) and large.dtype == np.float32
    assert tuple(int(p) // 10 for p in np.unravel_index(large.argmax(), large.shape)) == (1, 2)


def test_what_is_normal_shows_through_and_what_is_not_is_coloured() -> None:
    cells = np.zeros((4, 6), np.float32)
    cells[1, 2] = 10.0
    picture = overlay(GREY, cells, low=1.0, high=5.0)
    assert picture.dtype == np.uint8 and (picture[30:, 40:] == 100).all()
    assert np.ptp(picture[14, 24].astype(int)) > 40
    assert (GREY == 100).all()


@pytest.mark.parametrize("color", list(ColorOrder))
def test_each_frame_has_a_file_with_a_harmless_name(tmp_path: Path, color: ColorOrder) -> None:
    pixels = GREY.copy()
    pixels[..., 0] = 10
    writer = HeatMaps(tmp_path / "out", DECISION, force=False)
    writer.write(Frame(pixels, color, 7, "line/../1"), looked(region=(20.0, 10.0, 30.0, 20.0)))
    (file,) = (tmp_path / "out").iterdir()
    assert file.name == "line_.._1-000007.png"
    picture = cv2.imread(str(file))
    assert picture is not None
    blue = 0 if color is ColorOrder.BGR else 2
    assert picture[35, 50, blue] == 10
    assert not (picture[10, 20:30] == picture[35, 50]).all()  # the region's box


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(OutputExistsError, match="--force"):
        HeatMaps(tmp_path, DECISION, force=False)
    HeatMaps(tmp_path, DECISION, force=True).write(Frame(GREY, ColorOrder.BGR, 1, "a"), looked(region=None))
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", "a-000001.png"}
