"""How anomalies are decided on, as the manifest carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from crystaledge.errors import ContractError
from crystaledge.jsonio import Bounds

Share = Annotated[float, Bounds(0.0, 1.0)]
Rate = Annotated[float, Bounds(1e-6, 0.5)]
Positive = Annotated[float, Bounds(1e-12, 1e12)]
Score = Annotated[float, Bounds(0.0, 1e12)]
Count = Annotated[int, Bounds(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyDecision:
    """Everything that turns a map of distances into a verdict about an image.

    The raw score r of an image becomes `1 / (1 + exp(-(r - threshold) / spread))` in [0, 1]; one half is the threshold.

    Raises:
        ContractError: the interval is not one, or does not hold numbers in order.
    """

    threshold: Score
    """Raw score from which an image is anomalous; an order statistic of held-out normal images."""
    centre: Score
    """Median of the held-out normal images' raw scores."""
    spread: Positive
    """Standard deviation of the held-out normal images' raw scores: the unit of the normalised score."""
    false_alarm_rate: Rate
    """Share of normal images that was asked to lie at or above the threshold."""
    false_alarm_interval: tuple[Share, Share]
    """Where the realised rate lies with 95 % probability, given how few images were held out.

    The share of a population above its k-th of n order statistic is Beta(n - k + 1, k) distributed (Wilks, 1941).
    """
    held_out: Count
    """Normal images that the threshold was chosen on; none of them trained."""
    left_out: Count = 0
    """Held-out images whose scores lay so far above the others that they were taken for defects; not in `held_out`."""
    region_threshold: Score
    """Distance from which a cell of the map belongs to an anomalous region."""
    blur_cells: Annotated[float, Bounds(0.0, 64.0)]
    """Standard deviation of the Gaussian that smooths the map, in cells of it; 0 for none."""
    neighbours: Count
    """Bank items that weigh the image's score (PatchCore, eq. 7); 0: the score is the map's maximum, smoothed."""
    rerank: Count
    """Patches, the most distant ones, whose distance is computed again on the host against the exact bank; 0: none."""
    calibrated_on: str
    """The images the threshold was chosen on; never those of a test."""

    def __post_init__(self) -> None:
        low, high = self.false_alarm_interval
        if low > high:
            msg = f"Anomaly decision has a false-alarm interval from {low:g} to {high:g}; expected numbers in order."
            raise ContractError(msg)
        if self.rerank and not self.neighbours:
            msg = "Anomaly decision re-ranks patches without neighbours; give neighbours, or rerank 0."
            raise ContractError(msg)
