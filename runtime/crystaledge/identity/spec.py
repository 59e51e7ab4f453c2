"""How an identity is decided: scores, operating points and stopping rules, as the manifest carries them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from crystaledge.errors import ContractError
from crystaledge.jsonio import Bounds

Rate = Annotated[float, Bounds(0.0, 1.0)]
Count = Annotated[int, Bounds(1)]


class MatchScore(Enum):
    """How two identities are compared."""

    LIKELIHOOD_RATIO = "likelihood_ratio"
    COSINE = "cosine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """A match score with the parameters of its model; a cosine ignores them.

    Two-covariance model: a person is a point of variance `between_variance` per dimension around 0,
    an identity lies around it with its own variance, in `effective_dimensions` dimensions.
    """

    kind: MatchScore
    between_variance: Annotated[float, Bounds(1e-9, 1e3)] = 1.0
    effective_dimensions: Annotated[float, Bounds(1e-3, 1e6)] = 1.0


COSINE = Scoring(kind=MatchScore.COSINE)


def unit_vector_scoring(dimensions: int) -> Scoring:
    """The likelihood ratio before anything is fitted: half of a unit vector's variance lies between people."""
    return Scoring(
        kind=MatchScore.LIKELIHOOD_RATIO, between_variance=0.5 / dimensions, effective_dimensions=float(dimensions)
    )


class Stopping(Enum):
    """When a track's identity is committed."""

    SPRT = "sprt"
    """Wald's sequential probability-ratio test on the match score, with stated error rates."""
    VELOCITY = "velocity"
    """The state has stopped moving."""
    TRUNCATED = "truncated"
    """Wald's test, which ends after so many observations at the latest: with the verdict at the operating point, unless
    chance explains the match among so many people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """Accept at `score >= threshold`; chosen on validation people for one false-accept rate."""

    observations: Count
    """Observations on each side that the threshold was chosen with."""
    false_accept_rate: Rate
    threshold: float
    true_accept_rate: Rate
    """What the same validation people gave at this threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelihoodFit:
    """log p(score | same) / p(score | different) as `slope * score + intercept`, by logistic regression."""

    observations: Count
    slope: Annotated[float, Bounds(0.0, 1e9)]
    intercept: Annotated[float, Bounds(-1e9, 1e9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingRules:
    """Parameters of all rules."""

    false_accept_rate: Annotated[float, Bounds(1e-9, 0.5)]
    """Wald's alpha."""
    false_reject_rate: Annotated[float, Bounds(1e-9, 0.5)]
    """Wald's beta."""
    accept_llr: float
    """Commit to a claim at or above this log-likelihood ratio; to the best of N at or above ln N more."""
    reject_llr: float
    """Commit to "nobody enrolled" at or below this one."""
    velocity_threshold: Annotated[float, Bounds(0.0, 1.0)]
    velocity_frames: Count
    """Consecutive frames below the threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityDecision:
    """Everything that turns states into verdicts.

    Raises:
        ContractError: no operating point or no likelihood fit, or Wald thresholds out of order.
    """

    score: Scoring
    dimensions: Count
    """Length of the identity vector."""
    operating_points: tuple[OperatingPoint, ...]
    likelihood: tuple[LikelihoodFit, ...]
    stopping: StoppingRules
    calibrated_on: str
    """The people the thresholds were chosen on; never those of a test."""

    def __post_init__(self) -> None:
        if not self.operating_points or not self.likelihood:
            msg = "Identity decision has no operating points or no likelihood fit; train or calibrate again."
            raise ContractError(msg)
        if self.stopping.reject_llr >= self.stopping.accept_llr:
            msg = (
                f"Stopping rule rejects at {self.stopping.reject_llr:g} and accepts at {self.stopping.accept_llr:g}; "
                "expected reject below accept."
            )
            raise ContractError(msg)
