"""The records that calibration and verification leave in a bundle. Hashes stand for people's files; no name is kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from crystaledge.jsonio import Bounds
from crystaledge.manifest.model import Precision, Sha256, Target

RECORD_VERSION = 1
Version = Annotated[int, Bounds(RECORD_VERSION, RECORD_VERSION)]
Share = Annotated[float, Bounds(0.0, 1.0)]
Numbers = tuple[float, ...]


class SequenceSource(Enum):
    """What sequences were made of."""

    IDENTITIES = "identities"
    """Photographs of people, a folder for each."""
    IMAGES = "images"
    """Whole images, of anything; each is a sequence of length one."""
    SPOILED_IMAGES = "images, each also with drawn defects"
    """Where normal images do not show what a network is built to find."""
    VIDEO = "video"
    SYNTHETIC = "synthetic"
    """A drawn, seeded scene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceSetRecord:
    """Which sequences were used, exactly, without saying whose they are."""

    source: SequenceSource
    sequences: int
    steps: int
    seed: int
    too_short: int
    """Clips left out for having fewer distinct frames than the warm-up."""
    sha256: Sha256
    """Of the contents and their schedule."""
    files: tuple[Sha256, ...]
    """Of every file, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeRecord:
    """How one activation became eight bits."""

    tensor: str
    state: bool
    """It is a state input."""
    low: float
    high: float
    """Extremes that the rollouts showed."""
    amax: float
    """Where the range was cut; scale = amax / 127 for symmetric int8."""
    calibrator: str
    clipped: Share
    """Share of the values beyond the cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """One weighted node and what became of it."""

    node: str
    op: str
    weight: str
    """Name of its weight, as training knows it."""
    macs: int
    precision: Precision
    reason: str
    sensitivity: float
    """Mean of 1 - cosine of the state in closed loop, with this node alone in int8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeStep:
    """One step of the recipe, as measured in closed loop on sequences set aside for choosing.

    Where sequences are single images, read agreement about an image for cosine of the state.
    """

    name: str
    taken: bool
    loss: float
    """Mean of 1 - cosine of the state over all steps and sequences."""
    cosine_mean: float
    """At the worst step."""
    cosine_p01: float
    """First percentile over sequences at the worst step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteAccount:
    """One kind of content of the graph file."""

    what: str
    float32_bytes: int
    int8_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRecord:
    """How a quantized graph was made."""

    schema_version: Version
    graph: str
    target: Target
    calibrated_on: SequenceSetRecord
    chosen_on: int
    """Sequences of the set that were kept for choosing, not for ranges."""
    recipe: tuple[RecipeStep, ...]
    ranges: tuple[RangeRecord, ...]
    nodes: tuple[NodeRecord, ...]
    macs_int8: Share
    accounting: tuple[ByteAccount, ...]

    @property
    def measure(self) -> str:
        """What the recipe was measured by, in a word: the direction of a state, or agreement about single images."""
        images = SequenceSource.IMAGES, SequenceSource.SPOILED_IMAGES
        return "agreement" if self.calibrated_on.source in images else "cosine"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorTrace:
    """Absolute difference of one output from the float graph's, at each checked step."""

    tensor: str
    max_abs: Numbers
    mean_abs: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTrace:
    """The state (for an identity: the person) at each checked step, over sequences."""

    cosine_mean: Numbers
    cosine_p01: Numbers
    cosine_min: Numbers
    relative_error: Numbers
    """Mean over sequences of |deployed - float| / |float|."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelClipping:
    """Share of a state's values beyond the int8 range on their way into the recurrent product, by channel."""

    tensor: str
    share: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value with its 95 % interval over resampled sequences."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionParity:
    """Whether the float graph and the deployed one decide alike."""

    sequences: int
    false_accept_rate: float
    """Of the operating point that verdicts were taken at."""
    same_match: Share
    """Best match among all enrolled, at each checked step."""
    same_verdict: Share
    """Of all pairs of probe and enrolled, at each checked step."""
    same_commit: Share
    """Sequences that commit in the same frame, or in neither."""
    committed: Share
    """Sequences that the float graph commits."""
    most_frames_apart: int
    """Largest distance of the commit frames; the horizon where one side alone commits."""
    auc_step: int
    """Checked step at which the area under the curve falls most; the numbers below are of that step."""
    auc_float: float
    auc_deployed: float
    auc_loss: Interval
    eer_float: float
    eer_deployed: float
    eer_rise: Interval
    det_float: tuple[Numbers, Numbers]
    """(false-accept rates, false-reject rates), thinned for drawing."""
    det_deployed: tuple[Numbers, Numbers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the gate demands."""

    cosine_mean: float = 0.99
    cosine_p01: float = 0.97
    growth: float = 1.5
    """Error at the horizon over the error at step 16."""
    auc_loss: float = 0.002
    same_commit: float = 0.99
    frames_apart: int = 1
    same_match: float = 0.99
    same_verdict: float = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One demand that was not met."""

    demand: str
    measured: float
    limit: float
    step: int
    """First checked step at which it was not met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Where the deployed graph parts from the float one."""

    step: int
    tensor: str
    node: str
    """ONNX node at fault; empty where every layer agrees when both are given the same state."""
    error: float
    """Relative error of the tensor when both graphs are given the same inputs and states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeError:
    """Relative error that one layer's output has when both graphs are given the same inputs and states."""

    node: str
    tensor: str
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRecord:
    """Float against deployed in closed loop."""

    schema_version: Version
    graph: str
    graph_sha256: Sha256
    reference: str
    reference_sha256: Sha256
    engine: str
    verified_on: SequenceSetRecord
    checked_steps: tuple[int, ...]
    """1, 2, 4 ... horizon."""
    tensors: tuple[TensorTrace, ...]
    state: StateTrace
    growth: float
    clipping: tuple[ChannelClipping, ...]
    layers: tuple[NodeError, ...]
    """In the order in which they run."""
    decisions: DecisionParity
    limits: Limits
    findings: tuple[Finding, ...]
    fault: Fault | None
    passed: bool
    sentence: str
