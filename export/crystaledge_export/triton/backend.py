"""Triton's backends that a bundle can be served by."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class TritonBackend(Enum):
    """What runs the graph inside of Triton."""

    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"


class TrackType(NamedTuple):
    """Type of a correlation id, in both languages."""

    triton: str
    onnx: int
    """Of `TensorProto.DataType`."""


def track_type(backend: TritonBackend) -> TrackType:
    """64 bits where they can be had; TensorRT has them from 10 on only."""
    return TrackType("TYPE_INT32", 6) if backend is TritonBackend.TENSORRT else TrackType("TYPE_INT64", 7)
