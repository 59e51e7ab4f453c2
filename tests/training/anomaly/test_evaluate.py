"""An evaluation of anomalies on drawn parts, by a network that is known to see redness alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from crystaledge.anomaly.scoring import Scoring
from crystaledge.errors import DataError
from crystaledge_training.anomaly import evaluate as module
from crystaledge_training.anomaly.evaluate import AnomalyEvaluation, Looked, anomalous_pixels, look
from crystaledge_training.data.anomaly_set import LabelledImage
from tests.training.anomaly.redness import SPEC, Redness, judged, look_at_parts


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Looked:
    return look_at_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def images(looked: Looked) -> tuple[LabelledImage, ...]:
    return tuple(seen.image for seen in looked.seen)


@pytest.fixture(scope="module")
def result(looked: Looked) -> AnomalyEvaluation:
    return judged(looked, resamples=20)


class TestLook:
    def test_keeps_a_map_an_image(self, looked: Looked, images: tuple[LabelledImage, ...]) -> None:
        assert [image.defect for image in images] == [None] * 3 + ["bitten"] * 4
        assert {seen.cells.shape for seen in looked.seen} == {(12, 12)}
        assert all(seen.raw == pytest.approx(float(seen.cells.max())) for seen in looked.seen)
        assert looked.seconds > 0.0

    def test_the_decisions_smoothing_is_the_runtimes(self, images: tuple[LabelledImage, ...], looked: Looked) -> None:
        smooth = look(Redness(), images, SPEC, Scoring(blur_cells=2.0))
        assert all(a.raw < b.raw for a, b in zip(smooth.seen, looked.seen, strict=True))


class TestEvaluate:
    def test_red_bites_are_found(self, result: AnomalyEvaluation) -> None:
        assert (result.images.normal, result.images.anomalous) == (3, 4)
        assert result.images.auroc.value == 1.0
        assert result.images.recall == 1.0 and result.images.false_alarm_rate.value == 0.0
        assert result.pixels.auroc > 0.97 and result.pixels.aupro > 0.9
        assert result.pixels.regions == 4 and result.located == 7 and result.located_by_boxes == 0
        assert result.images_per_second > 0.0

    def test_names_every_image_by_its_folder(self, result: AnomalyEvaluation) -> None:
        names = [score.image for score in result.scores]
        assert names[0] == "good/000.png" and names[-1] == "bitten/003.png"

    def test_images_without_a_mask_have_no_part_in_pixels(
        self, looked: Looked, images: tuple[LabelledImage, ...]
    ) -> None:
        seen = [replace(one, image=replace(one.image, mask=None)) for one in looked.seen]
        found = judged(replace(looked, seen=tuple(seen)))
        assert found.located == 3 and found.pixels.regions == 0 and np.isnan(found.pixels.auroc)
        assert found.images.auroc.value == 1.0

    def test_boxes_locate_too(self, looked: Looked) -> None:
        seen = [
            replace(one, image=replace(one.image, mask=None, box_xyxy=((4.0, 4.0, 30.0, 20.0),)))
            if one.image.defect
            else one
            for one in looked.seen
        ]
        found = judged(replace(looked, seen=tuple(seen)))
        assert (found.located, found.located_by_boxes, found.pixels.regions) == (7, 4, 4)


class TestAnomalousPixels:
    def test_are_the_masks_own(self, images: tuple[LabelledImage, ...]) -> None:
        bitten = images[-1]
        assert bitten.mask is not None
        expected = cv2.imread(str(bitten.mask), cv2.IMREAD_GRAYSCALE) > 0  # type: ignore[operator]
        assert np.array_equal(anomalous_pixels(bitten), expected)
        assert not anomalous_pixels(images[0]).any()

    def test_of_a_large_image_are_fewer(
        self, images: tuple[LabelledImage, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MOST_SIDE_PX", 12)
        assert anomalous_pixels(images[-1]).shape == (12, 12) and anomalous_pixels(images[-1]).any()


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"a\.png"):
        look(Redness(), [LabelledImage(path=tmp_path / "a.png", defect=None)], SPEC, Scoring())
    assert torch.is_grad_enabled()
