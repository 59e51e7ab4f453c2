"""What the rules look at, and the vocabulary they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from crystaledge.manifest.model import GraphSpec, Precision
from crystaledge_calibration.lint.findings import Finding, Rule, Severity
from crystaledge_calibration.lint.graph_view import GraphView
from crystaledge_calibration.lint.quantizers import Kind, Quantizer
from crystaledge_calibration.lint.targets import Family, TargetFacts

WEIGHTED_OPS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators that are worth eight bits."""
MOVING_OPS = frozenset(
    {
        *("Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand"),
        *("Split", "Slice", "Gather", "Concat"),
    }
)
"""Operators that move values and do not change them."""
CARRYING_OPS = MOVING_OPS | {"Add", "Sub", "Mul", "Div", "Neg", "Sum", "Mean", "Min", "Max", "Clip", "Where"}
"""Operators that carry a state on: where their input loses precision, the state does."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A graph, what the manifest says of it, and the target it is judged for."""

    view: GraphView
    quantizers: tuple[Quantizer, ...]
    graph: GraphSpec
    facts: TargetFacts

    @property
    def is_int8(self) -> bool:
        """Whether the manifest declares eight bits."""
        return self.graph.precision is Precision.INT8

    @property
    def on_tensorrt(self) -> bool:
        """Whether the target is one of the TensorRT family."""
        return self.facts.family is Family.TENSORRT

    def is_dequantized(self, tensor: str) -> bool:
        """Whether a tensor comes from a DequantizeLinear, as it is or moved only."""
        maker = self.view.maker(tensor, through=MOVING_OPS)
        return maker is not None and maker.op_type == Kind.DEQUANTIZE.value


Check = Callable[[Subject], Iterator[Finding]]


def error(rule: Rule, where: str, message: str, *, cure: str) -> Finding:
    """A finding that makes the graph illegal."""
    return Finding(rule=rule, severity=Severity.ERROR, where=where, message=message, cure=cure)


def warning(rule: Rule, where: str, message: str, *, cure: str) -> Finding:
    """A finding that leaves the graph legal."""
    return Finding(rule=rule, severity=Severity.WARNING, where=where, message=message, cure=cure)
