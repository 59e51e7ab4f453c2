"""Triton's backends that a bundle can be served by."""

from __future__ import annotations

from enum import Enum


class TritonBackend(Enum):
    """What runs the graph inside of Triton."""

    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"
