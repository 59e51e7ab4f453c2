"""What verification of anomaly systems leaves in a bundle."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge_calibration.image_records import Demand, ImageVerificationRecord, at_least, at_most
from crystaledge_calibration.records import Interval, Share


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyLimits:
    """What the gate demands of an anomaly system."""

    same_verdict: float = 0.99
    """Share of the images that get the same verdict at the calibrated threshold."""
    auroc_loss: float = 0.005
    """Where labels say which images are normal."""
    map_error: float = 0.25
    """Relative error of any output of any graph."""
    score_apart: float = 0.25
    """Mean absolute difference of the images' scores, in spreads of normal images; see `anomaly_agreement.apart`.

    Few images lie so near the threshold that a verdict turns, so verdicts alone do not show that all scores have moved.
    Were normal scores Gaussian and the threshold at one false alarm in a hundred (2.33 spreads above their mean), a
    shift by a quarter of a spread would make it two (1 - Phi(2.08) = 1.9 %).
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class AurocParity:
    """Area under the curve over labelled images, of both sides."""

    reference: float
    """Of the float graph."""
    deployed: float
    loss: Interval
    """Float - deployed, with its interval over resampled images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyParity:
    """Whether the float graph and the deployed one judge the same images alike."""

    images: int
    normal: int
    """Images whose folder says so."""
    anomalous: int
    """Images whose folder says so."""
    threshold: float
    """Raw score from which an image is anomalous."""
    false_alarm_rate: float
    """That the threshold was chosen for."""
    alarms_float: int
    """Images at or above the threshold."""
    alarms_deployed: int
    false_alarms_float: int
    """Of those labelled normal."""
    false_alarms_deployed: int
    same_verdict: Share
    score_apart: float
    """Mean absolute difference of the scores, in spreads."""
    score_shift: float
    """Mean of deployed - float, in spreads."""
    auroc: AurocParity | None
    not_run: tuple[str, ...]
    """What a reader may miss, and why it is not here."""

    def demands(self, limits: AnomalyLimits) -> tuple[Demand, ...]:
        """What the gate demands; see `Decided`."""
        verdict = at_least("images with the same verdict", self.same_verdict, limits.same_verdict)
        apart = at_most("difference of their scores, in spreads", self.score_apart, limits.score_apart)
        if self.auroc is None:
            return verdict, apart
        return verdict, at_most("loss of AUROC", self.auroc.loss.value, limits.auroc_loss), apart

    def says(self) -> str:
        """A pass in words; see `Decided`."""
        curve = self.auroc
        area = "" if curve is None else f", AUROC {curve.deployed:.4f} where float has {curve.reference:.4f}"
        missing = "".join(f" {one}." for one in self.not_run)
        return (
            f"gave {self.same_verdict:.2%} of {self.images} images the same verdict, with scores "
            f"{self.score_apart:.3f} spreads apart{area}.{missing}"
        )

    def told(self) -> str:
        """The numbers; see `Decided`."""
        parts = [
            f"at a raw score of {self.threshold:.4g}: {self.alarms_float} of {self.images} images anomalous float, "
            f"{self.alarms_deployed} deployed, same verdict {self.same_verdict:.2%}",
            f"scores {self.score_apart:.4f} spreads apart (shifted {self.score_shift:+.4f})",
        ]
        if self.normal:
            parts.append(
                f"false alarms {self.false_alarms_float} float, {self.false_alarms_deployed} deployed among "
                f"{self.normal} normal images (promised {self.false_alarm_rate:.2%})"
            )
        if self.auroc is not None:
            loss = self.auroc.loss
            parts.append(
                f"AUROC {self.auroc.reference:.4f} -> {self.auroc.deployed:.4f}, loss {loss.value:.4f} "
                f"[{loss.low:.4f}, {loss.high:.4f}]"
            )
        return "; ".join([*parts, *self.not_run])


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyVerificationRecord(ImageVerificationRecord[AnomalyParity, AnomalyLimits]):
    """Of anomaly systems."""

    decisions: AnomalyParity
    limits: AnomalyLimits
