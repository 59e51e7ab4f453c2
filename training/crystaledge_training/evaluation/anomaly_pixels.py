"""Pixel AUROC and AUPRO of any number of large maps in bounded memory: three histograms, with a bound on their error.

Both are areas under a curve that a falling threshold draws, its x being the share of normal pixels from the threshold
on. For pixel AUROC y is the share of anomalous pixels; for AUPRO (Bergmann et al., IJCV 2021, section 5.2) it is the
mean over regions of the share of each, that is the share of anomalous pixels that weigh 1 / (size of their region).
Binned distances give both curves at the bins' edges, and straight lines between them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc, roc_curve

from crystaledge.errors import ContractError
from crystaledge_training.evaluation.anomaly_regions import Labels

Array = NDArray[np.float64]
FALSE_POSITIVE_LIMIT = 0.3
"""Up to which AUPRO looks at the curve, as MVTec does."""
BINS = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelMetrics:
    """Shares in [0, 1]; NaN without anomalous pixels, or without normal ones."""

    auroc: float
    auroc_error: float
    """The AUROC without bins is no further away."""
    aupro: float
    aupro_error: float
    regions: int


class PixelTally:
    """Counts pixels by distance: normal ones, anomalous ones, and anomalous ones by share of their region.

    Args:
        cells: maps `(h, w)` that the large ones will be enlarged from. Their quantiles are the bins' edges, so that
            there are many where many distances lie; no edge is needed beyond them, since what is bilinear between
            cells is neither less nor more than they are.
        bins: at most so many; the error falls as their number rises.
    """

    def __init__(self, cells: Sequence[NDArray[np.float32]], *, bins: int = BINS) -> None:
        values = np.concatenate([one.ravel() for one in cells]) if cells else np.zeros(1, np.float32)
        self._edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, bins)[1:]).astype(np.float32))
        self._normal, self._anomalous, self._by_region = (np.zeros(len(self._edges) + 1) for _ in range(3))
        self._regions = 0

    def add(self, distance: NDArray[np.float32], regions: Labels) -> None:
        """Count one image.

        Args:
            distance: float32 `(H, W)`.
            regions: `(H, W)`, see `anomaly_regions`.

        Raises:
            ContractError: the sizes differ.
        """
        if distance.shape != regions.shape:
            msg = (
                f"A map of {distance.shape} pixels was held against regions of {regions.shape}; expected the same size."
            )
            raise ContractError(msg)
        bins = np.searchsorted(self._edges, distance, side="right")
        inside = regions > 0
        self._normal += self._counts(bins[~inside])
        if inside.any():
            sizes = np.bincount(regions.ravel())
            self._anomalous += self._counts(bins[inside])
            self._by_region += self._counts(bins[inside], 1.0 / sizes[regions[inside]])
            self._regions += int((sizes[1:] > 0).sum())

    def metrics(self, *, limit: float = FALSE_POSITIVE_LIMIT) -> PixelMetrics:
        """What was counted so far."""
        if not self._regions or not self._normal.any():
            return PixelMetrics(
                auroc=math.nan, auroc_error=math.nan, aupro=math.nan, aupro_error=math.nan, regions=self._regions
            )
        auroc, auroc_error = _area(self._normal, self._anomalous, limit=1.0)
        aupro, aupro_error = _area(self._normal, self._by_region, limit=limit)
        return PixelMetrics(
            auroc=auroc, auroc_error=auroc_error, aupro=aupro, aupro_error=aupro_error, regions=self._regions
        )

    def _counts(self, bins: NDArray[np.int64], weights: Array | None = None) -> Array:
        return np.bincount(bins, weights, minlength=len(self._normal)).astype(np.float64)


def _area(normal: Array, anomalous: Array, *, limit: float) -> tuple[float, float]:
    """Area under the curve up to a share `limit` of the normal pixels, over `limit`; and a bound on its error.

    Inside of a bin the curve rises by dy over dx somehow, and a straight line is at most dx dy / 2 off. That holds as
    well for a bin that the limit cuts.
    """
    places = np.arange(len(normal))
    x, y, _ = roc_curve(
        np.repeat([0, 1], len(normal)),
        np.concatenate([places, places]),
        sample_weight=np.concatenate([normal, anomalous]),
        drop_intermediate=False,
    )
    inside = x < limit
    at_limit = float(np.interp(limit, x, y))
    area = auc(np.append(x[inside], limit), np.append(y[inside], at_limit))
    loose = 0.5 * float((np.diff(x) * np.diff(y))[inside[:-1]].sum())
    return float(area) / limit, loose / limit
