"""How well a trained system finds anomalies in labelled images, in torch with the runtime's own scoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from crystaledge.anomaly.heat_map import enlarged
from crystaledge.anomaly.scoring import Scoring
from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.anomaly.look import look_at
from crystaledge_training.data.annotation_files import image_size_hw
from crystaledge_training.data.anomaly_masks import defect_pixels
from crystaledge_training.data.anomaly_set import LabelledImage
from crystaledge_training.evaluation.anomaly import ImageMetrics, image_metrics
from crystaledge_training.evaluation.anomaly_pixels import PixelMetrics, PixelTally
from crystaledge_training.evaluation.anomaly_regions import regions_of_mask

MOST_SIDE_PX = 1024
"""Of a map when it is held against a mask; both are made smaller where the image is larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageScore:
    """One image and what it got."""

    image: str
    """Last two parts of its path."""
    defect: str | None
    raw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyEvaluation:
    """One system on one set of images."""

    images: ImageMetrics
    pixels: PixelMetrics
    located: int
    """Images of which it is known which pixels are anomalous; the others have no part in `pixels`."""
    located_by_boxes: int
    """Those of which boxes alone say so, which hold normal pixels too."""
    decision: AnomalyDecision
    """With what it promised."""
    size_hw: tuple[int, int]
    resamples: int
    seed: int
    images_per_second: float
    """Network in torch and scoring, one image at a time, on this machine; decoding and resizing left out."""
    scores: tuple[ImageScore, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """A labelled image with its score and its map."""

    image: LabelledImage
    raw: float
    cells: NDArray[np.float32]
    """`(h, w)`, smoothed."""


@dataclass(frozen=True, slots=True)
class Looked:
    """All images of a test, and the seconds that network and scoring took."""

    seen: tuple[Seen, ...]
    seconds: float


def look(network: nn.Module, images: Sequence[LabelledImage], preprocessing: Preprocessing, scoring: Scoring) -> Looked:
    """Run a network, in inference mode, over labelled images.

    Raises:
        DataError: an image cannot be read.
    """
    looks = list(look_at(network, [image.path for image in images], preprocessing, scoring))
    seen = tuple(Seen(image, one.scored.raw, one.scored.cells) for image, one in zip(images, looks, strict=True))
    return Looked(seen, sum(one.seconds for one in looks))


def evaluate(
    looked: Looked, decision: AnomalyDecision, *, size_hw: tuple[int, int], resamples: int, seed: int
) -> AnomalyEvaluation:
    """Judge what was seen.

    Args:
        size_hw: of the network's input.
        resamples: of the images, for the interval of the image AUROC; 0 leaves it out.

    Raises:
        DataError: a mask cannot be read.
    """
    seen = looked.seen
    located = [one for one in seen if one.image.is_located]
    return AnomalyEvaluation(
        images=image_metrics(
            np.array([one.raw for one in seen], np.float64),
            [one.image.defect for one in seen],
            threshold=decision.threshold,
            bootstrap=resamples,
            seed=seed,
        ),
        pixels=_pixel_metrics(located),
        located=len(located),
        located_by_boxes=sum(bool(one.image.box_xyxy) and one.image.mask is None for one in located),
        decision=decision,
        size_hw=size_hw,
        resamples=resamples,
        seed=seed,
        images_per_second=len(seen) / max(looked.seconds, 1e-9),
        scores=tuple(
            ImageScore(image="/".join(one.image.path.parts[-2:]), defect=one.image.defect, raw=one.raw) for one in seen
        ),
    )


def anomalous_pixels(image: LabelledImage) -> NDArray[np.bool_]:
    """Where an image is anomalous, bool `(H, W)` of its own size, or smaller where a side is above `MOST_SIDE_PX`.

    Raises:
        DataError: image or mask cannot be read.
    """
    height, width = image_size_hw(image.path)
    shrink = min(1.0, MOST_SIDE_PX / max(height, width))
    at_hw = max(1, round(height * shrink)), max(1, round(width * shrink))
    return defect_pixels((height, width), image.mask, image.box_xyxy, at_hw=at_hw)


def _pixel_metrics(located: Sequence[Seen]) -> PixelMetrics:
    """One image at a time is at its own size."""
    tally = PixelTally([one.cells for one in located])
    for one in located:
        mask = anomalous_pixels(one.image)
        tally.add(enlarged(one.cells, (mask.shape[0], mask.shape[1])), regions_of_mask(mask))
    return tally.metrics()
