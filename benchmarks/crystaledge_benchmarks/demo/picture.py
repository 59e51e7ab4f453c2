"""`python -m crystaledge_benchmarks.demo.picture OUT.png`: the README picture, the crowd as the pipeline sees it."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from crystaledge.bundle import Bundle
from crystaledge.files import write_atomic
from crystaledge.scene.crowd import CrowdConfig
from crystaledge.system import System
from crystaledge_benchmarks.assets import embedded_bundle
from crystaledge_benchmarks.demo.crowd import run_crowd

PANELS = (0, 1, 3)
"""Which of the frames that the demo shows; in the others nobody is near."""


def picture(detector: Bundle, identity: Bundle, config: CrowdConfig) -> bytes:
    """Annotated frames of the drawn crowd side by side, as PNG."""
    shown = run_crowd(detector, identity, config).shown
    done, data = cv2.imencode(".png", np.hstack([shown[panel] for panel in PANELS]))
    if not done:
        msg = "OpenCV could not write a PNG"
        raise RuntimeError(msg)
    return data.tobytes()


if __name__ == "__main__":
    bundles = [Bundle.open(embedded_bundle(system)) for system in (System.PHANTOM, System.MNEMOSYNE)]
    write_atomic(Path(sys.argv[1]), picture(bundles[0], bundles[1], CrowdConfig(size_hw=(360, 480))))
