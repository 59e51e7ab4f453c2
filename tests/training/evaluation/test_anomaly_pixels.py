"""Pixel AUROC and AUPRO: against scikit-learn, against a slow recomputation, and within the error that is stated."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from crystaledge.errors import ContractError
from crystaledge_training.evaluation.anomaly_pixels import PixelMetrics, PixelTally
from crystaledge_training.evaluation.anomaly_regions import Labels, regions_of_mask
from tests.support.messages import message_of

Map = NDArray[np.float32]


def draw(seed: int, images: int = 3, side: int = 24) -> tuple[list[Map], list[Map], list[Labels]]:
    """Cells, the same enlarged, and regions; the first image is normal."""
    generator = np.random.default_rng(seed)
    cells: list[Map] = []
    large: list[Map] = []
    regions: list[Labels] = []
    for image in range(images):
        mask = np.zeros((side, side), np.uint8)
        for _ in range(3 if image else 0):
            x, y, w, h = generator.integers(0, side, 4)
            mask[y : y + 1 + h // 4, x : x + 1 + w // 4] = 1
        noise = generator.exponential(1.0, (side // 4, side // 4)).astype(np.float32)
        seen = noise + 2.0 * cv2.resize(mask, (side // 4, side // 4), interpolation=cv2.INTER_AREA).astype(np.float32)
        cells.append(seen)
        large.append(cv2.resize(seen, (side, side), interpolation=cv2.INTER_LINEAR).astype(np.float32))
        regions.append(regions_of_mask(mask > 0))
    return cells, large, regions


def tally(
    cells: Sequence[Map], large: Sequence[Map], regions: Sequence[Labels], bins: int = 8192, limit: float = 0.3
) -> PixelMetrics:
    counted = PixelTally(cells, bins=bins)
    for one, labels in zip(large, regions, strict=True):
        counted.add(one, labels)
    return counted.metrics(limit=limit)


def naive_aupro(large: Sequence[Map], regions: Sequence[Labels], limit: float) -> float:
    """Every distance a threshold, every region looked at: the definition."""
    normal = np.concatenate([one[labels == 0] for one, labels in zip(large, regions, strict=True)])
    parts = [
        one[labels == number]
        for one, labels in zip(large, regions, strict=True)
        for number in range(1, int(labels.max()) + 1)
    ]
    thresholds = np.unique(np.concatenate([one.ravel() for one in large]))[::-1]
    x = np.array([0.0, *((normal >= t).mean() for t in thresholds)])
    y = np.array([0.0, *(np.mean([(part >= t).mean() for part in parts]) for t in thresholds)])
    cut = float(np.interp(limit, x, y))
    inside = x < limit
    return float(np.trapezoid([*y[inside], cut], [*x[inside], limit])) / limit


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), bins=st.sampled_from([8, 64, 8192]))
def test_areas_are_within_the_stated_error_of_exact_ones(seed: int, bins: int) -> None:
    cells, large, regions = draw(seed)
    found = tally(cells, large, regions, bins)
    pixels = np.concatenate([one.ravel() for one in large])
    truth = np.concatenate([labels.ravel() > 0 for labels in regions])
    assert abs(found.auroc - roc_auc_score(truth, pixels)) <= found.auroc_error + 1e-9
    assert abs(found.aupro - naive_aupro(large, regions, 0.3)) <= found.aupro_error + 1e-9
    assert found.regions == sum(int(labels.max()) for labels in regions)


def test_more_bins_leave_less_error() -> None:
    scene = draw(7, images=8, side=64)
    few, many = tally(*scene, bins=16), tally(*scene, bins=4096)
    assert many.auroc_error < few.auroc_error / 50 and many.aupro_error < few.aupro_error / 50
    assert many.auroc_error < 5e-4


def test_a_small_region_counts_as_much_as_a_large_one() -> None:
    mask = np.zeros((16, 16), np.bool_)
    mask[0, 0], mask[4:14, 4:14] = True, True
    regions = regions_of_mask(mask)
    seen = np.where(regions == 2, np.float32(1.0), np.float32(0.0))  # the large one alone is found
    found = tally([seen], [seen], [regions])
    # The curve is at 1/2 up to the last threshold, which takes all pixels: straight up to 1 at x = 1.
    assert found.aupro == pytest.approx(0.5 + 0.5 * 0.3 / 2.0)
    assert found.regions == 2


def test_a_perfect_map_is_one_and_a_constant_map_is_chance() -> None:
    mask = np.zeros((16, 16), np.bool_)
    mask[4:8, 4:8] = True
    regions = regions_of_mask(mask)
    perfect = tally([mask.astype(np.float32)], [mask.astype(np.float32)], [regions])
    assert (perfect.auroc, perfect.aupro, perfect.auroc_error) == (1.0, 1.0, 0.0)
    flat = np.ones((16, 16), np.float32)
    constant = tally([flat], [flat], [regions])
    assert constant.auroc == pytest.approx(0.5)
    assert constant.aupro == pytest.approx(0.15)


def test_the_whole_curve_of_one_region_is_pixel_auroc() -> None:
    cells, large, _ = draw(3, images=2)
    mask = np.zeros((24, 24), np.bool_)
    mask[3:9, 3:9] = True
    found = tally(cells, large, [regions_of_mask(~mask & mask), regions_of_mask(mask)], limit=1.0)
    assert found.aupro == pytest.approx(found.auroc)


@pytest.mark.parametrize("anomalous", [False, True], ids=["all normal", "all anomalous"])
def test_pixels_of_one_kind_have_no_curve(anomalous: bool) -> None:
    mask = np.full((8, 8), anomalous, np.bool_)
    found = tally([np.ones((2, 2), np.float32)], [np.ones((8, 8), np.float32)], [regions_of_mask(mask)])
    assert math.isnan(found.auroc) and math.isnan(found.aupro)


def test_no_images_have_no_curve() -> None:
    assert math.isnan(tally([], [], []).aupro)


def test_a_map_of_another_size_is_refused() -> None:
    counted = PixelTally([np.ones((2, 2), np.float32)])
    with pytest.raises(ContractError) as raised:
        counted.add(np.ones((4, 4), np.float32), np.zeros((4, 5), np.int32))
    assert "(4, 5)" in message_of(raised)
