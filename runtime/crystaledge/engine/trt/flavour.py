"""Which TensorRT is meant, and the module that brings it."""

from __future__ import annotations

from enum import Enum
from importlib import import_module
from typing import cast

from crystaledge.engine.trt.surface import TrtModule
from crystaledge.errors import MissingExtraError


class Flavour(Enum):
    """Two products with one API; their engines are not interchangeable."""

    TENSORRT = "tensorrt"
    """The standard one: Jetson, data centre; engines belong to the device they were built on."""
    TENSORRT_RTX = "tensorrt-rtx"
    """For RTX boards; engines are built anywhere and finished on the target."""


_MODULES = {
    Flavour.TENSORRT: ("tensorrt",),
    Flavour.TENSORRT_RTX: ("tensorrt_rtx",),
}
_CURES = {
    Flavour.TENSORRT: (
        "on a Jetson it comes with JetPack (sudo apt install python3-libnvinfer), for a virtual environment made "
        "with --system-site-packages; elsewhere: pip install tensorrt"
    ),
    Flavour.TENSORRT_RTX: "pip install 'crystaledge[tensorrt-rtx]'",
}


def load_module(flavour: Flavour) -> TrtModule:
    """Import a TensorRT.

    Raises:
        MissingExtraError: it is not installed, or cannot be loaded; the message says how to get it.
    """
    reasons = []
    for name in _MODULES[flavour]:
        try:
            return cast(TrtModule, import_module(name))
        except ImportError as error:  # ModuleNotFoundError, or a library that the module needs
            if not isinstance(error, ModuleNotFoundError):
                reasons.append(f"{name} cannot be loaded ({str(error).splitlines()[0]})")
    why = "; ".join(reasons) or "it is not installed"
    msg = f"The backend {flavour.value} needs TensorRT's Python package: {why}. Get it: {_CURES[flavour]}."
    raise MissingExtraError(msg)


def generation_of(module: TrtModule) -> tuple[int, int]:
    """(major, minor) of its version."""
    major, minor, *_ = module.__version__.split(".")
    return int(major), int(minor)
