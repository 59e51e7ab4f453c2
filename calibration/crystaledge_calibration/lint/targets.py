"""What is known of each lint target, and from where.

Sources: onnx-tensorrt branches 8.5-GA, 8.6-GA and 10.1-GA (`docs/operators.md`, `README.md`, the
importers), its `docs/operators.md` of 10.15, NVIDIA's ONNX opset guide for TensorRT 11.x, the Jetson
and TensorRT release notes, and our own measurements with ONNX Runtime 1.31.1 and TensorRT-RTX 1.7.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from crystaledge_calibration.choices import LintTarget


class Family(Enum):
    """Whose rules a target follows."""

    TENSORRT = "tensorrt"
    CPU = "cpu"


class Typing(Enum):
    """Who decides the type of each layer."""

    WEAK = "weak"
    """The builder, within flags; INT8 must be allowed by a flag even where the file has Q/DQ."""
    BY_FLAG = "by flag"
    """The file, if the network is created strongly typed, which is how we build."""
    STRONG = "strong"
    """The file, always."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """What a target's reader accepts."""

    engine: str
    """Engine and version, for people."""
    family: Family
    typing: Typing
    most_opset: int
    """Newest opset of the default domain that the documentation names."""
    most_ir: int
    """Newest IR version that the ONNX release behind it knows."""
    wants_zero_point: bool = False
    """Q/DQ without their third input are refused."""
    float_weights: bool = False
    """Weights are documented as float32 through Q and DQ; int8 constants behind a DQ are not."""


def facts_of(target: LintTarget) -> TargetFacts:
    """What is known of a target."""
    return _FACTS[target]


# TensorRT 8: operators.md of 8.5 and 8.6 says "up to opset 17". README.md names ONNX 1.12 for 8.5, which
# is IR 8; 8.6 was released on the same IR and later rebased on ONNX 1.16, so 8 is the careful value. The
# importers demand (8.5) or read unasked (8.6) the third input of Q/DQ. The developer guide of 8.x wants
# float32 weights; from memory, and 8.0-8.2 refused int8 constants (megvii-research/Sparsebit#16).
# That JetPack 6.0 has TensorRT 8.6 is general knowledge, not an NVIDIA text that we have seen.
_TENSORRT_8_5 = TargetFacts(
    engine="TensorRT 8.5",
    family=Family.TENSORRT,
    typing=Typing.WEAK,
    most_opset=17,
    most_ir=8,
    wants_zero_point=True,
    float_weights=True,
)
_TENSORRT_8_6 = TargetFacts(
    engine="TensorRT 8.6",
    family=Family.TENSORRT,
    typing=Typing.WEAK,
    most_opset=17,
    most_ir=8,
    wants_zero_point=True,
    float_weights=True,
)
# TensorRT 10: operators.md says opset 9-20 at 10.0 and 10.1 (ONNX 1.16, IR 10), and 9-24 at 10.15. What 10.3
# and 10.13 say was not found, so they keep the values of 10.1; 10.16 has at least the opset of 10.15, and
# IR 10, which is too low rather than too high (IR 12 came with opset 24).
_TENSORRT_10_3 = TargetFacts(
    engine="TensorRT 10.3", family=Family.TENSORRT, typing=Typing.BY_FLAG, most_opset=20, most_ir=10
)
_TENSORRT_10_13 = TargetFacts(
    engine="TensorRT 10.13", family=Family.TENSORRT, typing=Typing.BY_FLAG, most_opset=20, most_ir=10
)
_TENSORRT_10_16 = TargetFacts(
    engine="TensorRT 10.16", family=Family.TENSORRT, typing=Typing.BY_FLAG, most_opset=24, most_ir=10
)
# TensorRT 11: the opset guide says ONNX 1.20.0 and opset 9-25; ONNX 1.20 writes IR 13.
_TENSORRT_11_4 = TargetFacts(
    engine="TensorRT 11.4", family=Family.TENSORRT, typing=Typing.STRONG, most_opset=25, most_ir=13
)
# RTX 1.7.1 parsed our graph at opset 18 to 27 [measured]; its IR is not documented, and ONNX 1.22, the
# release of opset 27, writes IR 13.
_RTX_1_7 = TargetFacts(
    engine="TensorRT-RTX 1.7", family=Family.TENSORRT, typing=Typing.STRONG, most_opset=27, most_ir=13
)
# ONNX Runtime 1.31.1 reads opset 26 and IR 13 and rejects more [measured]. Older ones read less: 1.23.2, the
# last for JetPack 6's Python 3.10, is of the age of opset 23.
_ONNX_RUNTIME = TargetFacts(
    engine="ONNX Runtime 1.31", family=Family.CPU, typing=Typing.STRONG, most_opset=26, most_ir=13
)

_FACTS: Mapping[LintTarget, TargetFacts] = {
    LintTarget.JETPACK_5_1: _TENSORRT_8_5,
    LintTarget.JETPACK_6_0: _TENSORRT_8_6,
    LintTarget.JETPACK_6_1: _TENSORRT_10_3,
    LintTarget.JETPACK_6_2: _TENSORRT_10_3,
    LintTarget.JETPACK_7_0: _TENSORRT_10_13,
    LintTarget.JETPACK_7_1: _TENSORRT_10_13,
    LintTarget.JETPACK_7_2: _TENSORRT_10_16,
    LintTarget.JETPACK_7_2_2: _TENSORRT_11_4,
    LintTarget.TENSORRT_RTX: _RTX_1_7,
    LintTarget.CPU: _ONNX_RUNTIME,
}
