"""When it is said of a face that it is alive, or a photograph."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge.errors import UsageError

CALIBRATED_PX = 0.76
"""In pixels of a face crop of 96 px. Chosen on drawn presentations of 450 photographs alone, so that with 95 %
confidence at most 5 % of the worst kind lie above (`crystaledge_benchmarks.liveness`). What is measured was
chosen while looking at living people as well; where the threshold lies was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoCheckConfig:
    """Windows of looks, and the threshold.

    Raises:
        UsageError: a window without looks to compare.
    """

    looks: int = 10
    """Of one window: one to compare with, and those compared with it."""
    every_s: float = 0.1
    """Between looks; the error rates were measured so."""
    threshold_px: float = CALIBRATED_PX
    quantile: float = 0.75
    """Of the looks of a window: a quarter of them may be laid over wrongly."""
    least_compared: int = 3
    """Looks of a window that could be laid over the first; with fewer nothing is known."""
    absent_s: float = 0.3
    """Who is not seen for so long is watched anew: it may be somebody else, or a photograph, that comes back. A source
    has to give its frames closer together, or nothing is ever known."""
    smallest_px: float = 48.0
    """Square root of the box's area in the frame; in smaller faces too little is seen to move."""
    alive_rest_s: float = 10.0
    """Until a face that was found alive is watched again, as soon as something moves after that."""
    photograph_rest_s: float = 2.0
    """The same of one that was taken for a photograph."""

    def __post_init__(self) -> None:
        if not 1 <= self.least_compared < self.looks or not 0.0 <= self.quantile <= 1.0:
            msg = (
                f"A window of {self.looks} looks, of which {self.least_compared} are compared, at quantile "
                f"{self.quantile:g}; expected at least 2 looks, 1 to looks - 1 of them compared, and 0 to 1."
            )
            raise UsageError(msg)
        if not 0.0 < self.every_s < self.absent_s:
            msg = f"Looks every {self.every_s:g} s, absent after {self.absent_s:g} s; expected 0 < every_s < absent_s."
            raise UsageError(msg)
