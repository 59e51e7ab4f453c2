"""The images that a system judges worst, as one picture: what it saw, where it looked, where the defect is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
from matplotlib.figure import Figure

from crystaledge.anomaly.heat_map import overlay
from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.anomaly.verdict import AnomalyVerdict, verdict_of
from crystaledge.sources.images import read_image
from crystaledge_training.anomaly.evaluate import Seen, anomalous_pixels
from crystaledge_training.anomaly.plots import png

MOST = 8
_PAIRS_A_ROW = 2
_SIDE_INCHES = 2.3


def worst(seen: Sequence[Seen], threshold: float, most: int = MOST) -> list[Seen]:
    """Images on the wrong side of the threshold, or nearest to it, worst first."""
    return sorted(seen, key=lambda one: margin(one, threshold))[:most]


def margin(seen: Seen, threshold: float) -> float:
    """How far a score is on the right side of the threshold; below 0 it is on the wrong one."""
    return seen.raw - threshold if seen.image.defect is not None else threshold - seen.raw


def misses_picture(seen: Sequence[Seen], decision: AnomalyDecision) -> bytes:
    """A PNG of the worst images in pairs: the image with the defect's outline, and the map over it.

    Colour begins at half the distance from which a cell is anomalous, and is full at twice that.

    Raises:
        DataError: an image or a mask cannot be read.
    """
    shown = worst(seen, decision.threshold)
    rows = max(1, -(-len(shown) // _PAIRS_A_ROW))
    figure = Figure(
        figsize=(_SIDE_INCHES * 2 * _PAIRS_A_ROW, _SIDE_INCHES * 1.15 * rows), dpi=110, layout="constrained"
    )
    axes = figure.subplots(rows, 2 * _PAIRS_A_ROW, squeeze=False).ravel()
    for place in axes:
        place.axis("off")
    for one, left, right in zip(shown, axes[::2], axes[1::2], strict=False):
        _pair(one, decision, left, right)
    return png(figure)


def _pair(seen: Seen, decision: AnomalyDecision, left: Any, right: Any) -> None:
    mask = anomalous_pixels(seen.image)
    picture = cv2.resize(read_image(seen.image.path), mask.shape[::-1], interpolation=cv2.INTER_AREA)
    level = decision.region_threshold
    heat = overlay(picture.astype("uint8", copy=False), seen.cells, low=0.5 * level, high=2.0 * level)
    for place, pixels in ((left, picture), (right, heat)):
        place.imshow(pixels[:, :, ::-1])
        if mask.any():
            place.contour(mask, levels=[0.5], colors="lime", linewidths=0.8)
    left.set_title(f"{seen.image.defect or 'normal'}: {_said(seen, decision)}", fontsize=7)
    right.set_title(f"{seen.raw:.3g}, threshold {decision.threshold:.3g}", fontsize=7)


def _said(seen: Seen, decision: AnomalyDecision) -> str:
    alarm = verdict_of(seen.raw, decision) is AnomalyVerdict.ANOMALOUS
    if seen.image.defect is None:
        return "false alarm" if alarm else "passed"
    return "found" if alarm else "missed"
