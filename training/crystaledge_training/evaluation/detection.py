"""How well faces are found: COCO's average precision (Lin et al., Microsoft COCO, ECCV 2014), with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import ContractError, UsageError
from crystaledge_training.evaluation.detection_curve import bootstrap_interval, recall_at_precision
from crystaledge_training.evaluation.detection_matching import AreaRange, Matching, Truth

LARGEST_AREA = 1e10
"""Square pixels; COCO's upper end."""


@dataclass(frozen=True, slots=True)
class Found:
    """Detections of one image, in any order.

    Raises:
        ContractError: arrays of different lengths, wrong types, corners out of order, or values not finite.
    """

    box_xyxy: NDArray[np.float32]
    """float32 `(N, 4)`: x1, y1, x2, y2 in pixels, half-open."""
    score: NDArray[np.float32]
    """float32 `(N,)`; the average precision knows their order alone."""

    def __post_init__(self) -> None:
        boxes, scores = self.box_xyxy, self.score
        if boxes.shape != (len(scores), 4) or boxes.dtype != np.float32 or scores.dtype != np.float32:
            msg = (
                f"Found faces got boxes {boxes.dtype} {boxes.shape} and scores {scores.dtype} {scores.shape}; "
                "expected float32 (N, 4) and (N,)."
            )
            raise ContractError(msg)
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all() and (boxes[:, 2:] >= boxes[:, :2]).all()):
            msg = "Found faces got a value that is not finite or x2 < x1 or y2 < y1; expected finite, ordered corners."
            raise ContractError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionMetrics:
    """Of a set of images; every share is in [0, 1], or NaN where no face is to be found."""

    ap50: float
    """Average precision at an overlap (IoU) of at least 0.5."""
    ap50_interval: tuple[float, float]
    """95 % interval of `ap50`, by drawing images; NaN twice without resamples."""
    ap: float
    """Mean of the average precisions at overlaps 0.50, 0.55, ..., 0.95."""
    ap50_by_size: tuple[tuple[str, float], ...]
    """`ap50` of the faces in a range of sizes such as `12-20 px` (the upper end not included), rising."""
    recall_at_precision_90: float
    """Highest recall (IoU 0.5) of any score threshold with a precision of at least 0.9; 0 where none has."""
    score_at_precision_90: float
    """That threshold; NaN where there is none."""
    images: int
    faces: int
    """Faces to be found: neither ignored nor too small."""


def detection_metrics(
    found: Sequence[Found],
    truth: Sequence[Truth],
    *,
    smallest_px: float,
    size_edges_px: tuple[float, ...] = (12.0, 20.0, 32.0, 64.0),
    bootstrap: int,
    seed: int,
) -> DetectionMetrics:
    """Compare what was found with what is there, image by image; detections per image are not limited.

    The size of a box is the square root of its area, in the pixels of the boxes: give those of the
    network's input, since that is what can be seen. A face smaller than `smallest_px` is not to be found:
    the detection that matches it counts neither way, and neither does a detection that is smaller and matches
    nothing. An ignored box is a region (COCO's crowd): a detection counts neither way where it has the
    wanted share of its own area in it, and any number may.

    Args:
        truth: of each image float32 `(N, 4)` corners in pixels, half-open, and bool `(N,)`: ignored.
        size_edges_px: ends of the ranges of `ap50_by_size`; those up to `smallest_px` have no part in it.
        bootstrap: resamples for the interval; 0 leaves it out.

    Raises:
        UsageError: lengths differ, edges do not rise, or a number is negative.
        ContractError: boxes and flags of the truth do not fit, or a box has no area.
    """
    _check_knobs(len(found), len(truth), smallest_px, size_edges_px, bootstrap)
    _check_truth(truth)
    areas = _areas(smallest_px, size_edges_px)
    matching = Matching([(one.box_xyxy, one.score) for one in found], truth)
    precision = matching.precision(list(areas.values()))
    judged = matching.judged(areas["all"])
    recall, score = recall_at_precision(judged, 0.9)
    return DetectionMetrics(
        ap50=_mean(precision[0, :, 0]),
        ap50_interval=bootstrap_interval(judged, resamples=bootstrap, seed=seed),
        ap=_mean(precision[:, :, 0]),
        ap50_by_size=tuple((label, _mean(precision[0, :, row])) for row, label in enumerate(areas) if row > 0),
        recall_at_precision_90=recall,
        score_at_precision_90=score,
        images=len(truth),
        faces=int(judged.faces.sum()),
    )


def _mean(precision: NDArray[np.float64]) -> float:
    """The library says -1 where there is no face."""
    return math.nan if precision.min() < 0.0 else float(precision.mean())


def _areas(smallest_px: float, edges_px: tuple[float, ...]) -> dict[str, AreaRange]:
    """Range of areas by label: `all` first, then each range of sizes.

    COCO's ranges hold both their ends, so that each of these ends just below the start of the next.
    """
    starts = [smallest_px, *(edge for edge in edges_px if edge > smallest_px)]
    areas = {"all": (smallest_px**2, LARGEST_AREA)}
    for low, high in pairwise(starts):
        areas[f"{low:g}-{high:g} px"] = (low**2, float(np.nextafter(high**2, 0.0)))
    areas[f"from {starts[-1]:g} px"] = (starts[-1] ** 2, LARGEST_AREA)
    return areas


def _check_knobs(found: int, truth: int, smallest_px: float, edges_px: tuple[float, ...], bootstrap: int) -> None:
    if found != truth:
        msg = (
            f"Detections are of {found} images and the truth is of {truth}; expected the same images in the same order."
        )
        raise UsageError(msg)
    rising = all(low < high for low, high in pairwise((0.0, *edges_px, math.inf)))
    if not (0.0 <= smallest_px < math.inf and rising and bootstrap >= 0):
        msg = (
            f"Smallest size {smallest_px} px, edges {edges_px} px and {bootstrap} resamples cannot be; "
            "expected finite numbers of at least 0, and rising edges."
        )
        raise UsageError(msg)


def _check_truth(truth: Sequence[Truth]) -> None:
    for image, (boxes, ignored) in enumerate(truth):
        if boxes.shape != (len(ignored), 4) or ignored.dtype != np.bool_:
            msg = (
                f"Truth of image {image} got boxes {boxes.shape} and flags {ignored.dtype} {ignored.shape}; "
                "expected (N, 4) and bool (N,)."
            )
            raise ContractError(msg)
        if not (np.isfinite(boxes).all() and (boxes[:, 2:] > boxes[:, :2]).all()):
            msg = f"Truth of image {image} has a box that is not finite or has no area; expected x1 < x2 and y1 < y2."
            raise ContractError(msg)
