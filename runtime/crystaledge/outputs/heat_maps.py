"""Pictures with the anomaly map over them, one file an image. Needs OpenCV."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from crystaledge.anomaly.heat_map import overlay
from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.errors import OutputExistsError
from crystaledge.files import write_atomic
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from crystaledge.systems.anomaly import Looked

_BOX_BGR = (60, 20, 220)
_HIGH = 2.0
"""Full colour lies this many times as far above the region's threshold as nothing does below it."""


class HeatMaps:
    """Writes `SEQUENCE-FRAME.png` into a folder.

    Raises:
        OutputExistsError: the folder holds something and `force` is false.
    """

    def __init__(self, folder: Path, decision: AnomalyDecision, *, force: bool) -> None:
        if folder.exists() and not force and (not folder.is_dir() or any(folder.iterdir())):
            msg = f"{folder} exists and is not an empty folder; give --force to write into it, or another --overlays."
            raise OutputExistsError(msg)
        self._folder = folder
        self._low = decision.region_threshold / _HIGH
        self._high = decision.region_threshold * _HIGH
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, frame: Frame, looked: Looked) -> None:
        """Write the picture of one frame; a file of its name is replaced."""
        bgr = frame.pixels if frame.color is ColorOrder.BGR else frame.pixels[:, :, ::-1]
        picture = overlay(np.ascontiguousarray(bgr), looked.cells, low=self._low, high=self._high)
        if looked.event.region_xyxy is not None:
            x1, y1, x2, y2 = (round(value) for value in looked.event.region_xyxy)
            cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), _BOX_BGR, max(1, min(picture.shape[:2]) // 200))
        safe = re.sub(r"[^\w.-]+", "_", frame.sequence)[:80]
        _, data = cv2.imencode(".png", picture)
        write_atomic(self._folder / f"{safe}-{frame.index:06d}.png", data.tobytes())
