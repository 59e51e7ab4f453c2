"""Choices that a command line names; nothing heavy is imported here."""

from __future__ import annotations

from enum import Enum


class Calibrator(Enum):
    """How the range of a tensor is cut from what was observed."""

    MINMAX = "minmax"
    """Largest absolute value."""
    PERCENTILE = "percentile"
    """99.99 % of the absolute values lie inside."""
    ENTROPY = "entropy"
    """Least Kullback-Leibler divergence between the histogram and its quantized form (Migacz, GTC 2017)."""
    MSE = "mse"
    """Least mean squared quantization error."""


class LintTarget(Enum):
    """Where a graph may have to run; TensorRT versions in `lint.targets`."""

    JETPACK_5_1 = "jetpack-5.1"
    JETPACK_6_0 = "jetpack-6.0"
    JETPACK_6_1 = "jetpack-6.1"
    JETPACK_6_2 = "jetpack-6.2"
    JETPACK_7_0 = "jetpack-7.0"
    JETPACK_7_1 = "jetpack-7.1"
    JETPACK_7_2 = "jetpack-7.2"
    JETPACK_7_2_2 = "jetpack-7.2.2"
    TENSORRT_RTX = "tensorrt-rtx"
    CPU = "cpu"
