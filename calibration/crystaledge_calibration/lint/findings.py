"""What a rule found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """Whether a graph with this finding can run on the target."""

    ERROR = "error"
    """It is refused there, or gives wrong results."""
    WARNING = "warning"
    """It runs, but slower, less exactly, or beyond what is documented."""


class Rule(Enum):
    """Names of the rules; they are stable, for scripts that read `--json`."""

    BORDER = "border"
    WIRING = "wiring"
    UNREADABLE_TENSOR = "unreadable-tensor"
    SUBGRAPH = "subgraph"
    OPSET = "opset"
    IR_VERSION = "ir-version"
    UNKNOWN_OP = "unknown-op"
    FORBIDDEN_OP = "forbidden-op"
    MISSING_OP = "missing-op"
    FOREIGN_DOMAIN = "foreign-domain"
    RECURRENT_OP = "recurrent-op"
    MIXED_TYPES = "mixed-types"
    ZERO_POINT = "zero-point"
    ZERO_POINT_MISSING = "zero-point-missing"
    UNSIGNED = "unsigned"
    ELEMENT_TYPE = "element-type"
    SCALE_VALUE = "scale-value"
    SCALE_NOT_CONSTANT = "scale-not-constant"
    INT32_BIAS = "int32-bias"
    WEIGHT_AXIS = "weight-axis"
    INT8_CONSTANT = "int8-constant"
    ACTIVATION_PER_CHANNEL = "activation-per-channel"
    NOT_QUANTIZED = "not-quantized"
    FLOAT_QUANTIZED = "float-quantized"
    UNPAIRED = "unpaired"
    PAIR_DIFFERS = "pair-differs"
    HALF_QUANTIZED = "half-quantized"
    GATE = "gate"
    FUSION = "fusion"
    RESIDUAL_ADD = "residual-add"
    STATE_UNUSED = "state-unused"
    STATE_COPIED = "state-copied"
    STATE_OUTPUT = "state-output"
    STATE_CARRIED = "state-carried"
    STATE_SCALE = "state-scale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with a graph on a target."""

    rule: Rule
    severity: Severity
    where: str
    """The node at fault, a tensor of the border, or "the file"."""
    message: str
    """What was found and what was expected, as one sentence."""
    cure: str
    """What to do about it."""


THE_FILE = "the file"


def is_legal(findings: Iterable[Finding]) -> bool:
    """Whether a graph with these findings may run on the target: there is no error among them."""
    return all(finding.severity is not Severity.ERROR for finding in findings)
