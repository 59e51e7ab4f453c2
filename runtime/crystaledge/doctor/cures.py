"""The one command that brings a missing thing, on each kind of board."""

from __future__ import annotations

from enum import Enum

from crystaledge.board import Board


class Part(Enum):
    """What can be missing."""

    ONNXRUNTIME = "onnxruntime"
    DRIVER = "driver"
    CUDA_BINDINGS = "cuda-bindings"
    TENSORRT = "tensorrt"
    TENSORRT_RTX = "tensorrt-rtx"
    VISION = "opencv"


_ANYWHERE = {
    Part.ONNXRUNTIME: "pip install 'crystaledge[onnxruntime]'",
    Part.DRIVER: "install NVIDIA's driver for this card",
    Part.CUDA_BINDINGS: "pip install 'crystaledge[cuda]'",
    Part.TENSORRT: "pip install tensorrt",
    Part.TENSORRT_RTX: "pip install 'crystaledge[tensorrt-rtx]'",
    Part.VISION: "pip install 'crystaledge[vision]'",
}
_JETSON = {
    Part.ONNXRUNTIME: "pip install 'crystaledge[onnxruntime]'",
    Part.DRIVER: "the driver comes with JetPack: flash the board again, or sudo apt install nvidia-l4t-core",
    Part.TENSORRT: "sudo apt install python3-libnvinfer",
    Part.TENSORRT_RTX: "TensorRT-RTX does not run on a Jetson; use --backend tensorrt",
    Part.VISION: "pip install 'crystaledge[vision]'",
}
_JETSON_CUDA = {
    "5": "flash JetPack 6 or later: this package needs Python 3.10",
    "6": "pip install 'cuda-bindings>=12.6,<13'",
    "7": "pip install 'cuda-bindings>=13'",
}
"""The bindings must speak the CUDA of the JetPack, by the first characters of its version."""


def cure_of(part: Part, board: Board) -> str:
    """What to do on this board."""
    if not board.is_jetson:
        return _ANYWHERE[part]
    if part is Part.CUDA_BINDINGS:
        found = next((cure for start, cure in _JETSON_CUDA.items() if board.jetpack.startswith(start)), None)
        return found or _ANYWHERE[part]
    return _JETSON[part]
