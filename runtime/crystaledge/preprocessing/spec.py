"""How pixels become the tensor a graph was trained on. This is the only definition of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from crystaledge.errors import ContractError
from crystaledge.jsonio import Bounds

Mean = Annotated[float, Bounds(-1e6, 1e6)]
Deviation = Annotated[float, Bounds(1e-6, 1e6)]


class ColorOrder(Enum):
    """Order of the channels of an H,W,3 frame, or of a tensor's channel axis."""

    RGB = "rgb"
    BGR = "bgr"


class Layout(Enum):
    """Axis order of the tensor handed to the graph."""

    NCHW = "nchw"


class Fit(Enum):
    """What is done about an aspect ratio that differs from the target's."""

    CENTER = "center"
    """Cut the largest central box that has the target's aspect ratio."""
    STRETCH = "stretch"
    """Use the whole frame and let it distort."""
    LETTERBOX = "letterbox"
    """Use the whole frame at the largest scale that fits, in the upper left corner; the rest is grey 114."""


class Resampling(Enum):
    """The filter used to change size."""

    TRIANGLE = "triangle"
    """Separable triangle filter, widened by the shrink factor (what Pillow calls BILINEAR)."""
    AREA = "area"
    """Mean of the source's area under each pixel (OpenCV's INTER_AREA); bilinear where the frame is enlarged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """From a uint8 frame of any size to one float32 tensor row.

    The frame is fitted to the aspect ratio of `size_hw`, its centre is cut out and resampled, values
    are rounded back to uint8, and each value p becomes `(p * scale - mean[c]) / std[c]`, c running in
    `color` order, in float32.

    Raises:
        ContractError: a size that is not positive, or statistics that are not three numbers.
    """

    size_hw: tuple[int, int]
    color: ColorOrder = ColorOrder.RGB
    scale: Annotated[float, Bounds(1e-6, 1e3)] = 1.0 / 255.0
    mean: tuple[Mean, Mean, Mean] = (0.5, 0.5, 0.5)
    std: tuple[Deviation, Deviation, Deviation] = (0.25, 0.25, 0.25)
    layout: Layout = Layout.NCHW
    center_share: float = 1.0
    """Share of the fitted box's height and width that is kept, around its centre, in (0, 1]."""
    fit: Fit = Fit.CENTER
    resampling: Resampling = Resampling.TRIANGLE

    def __post_init__(self) -> None:
        if len(self.size_hw) != 2 or min(self.size_hw) < 1:
            msg = f"Preprocessing size_hw is {self.size_hw}; expected two positive integers (height, width)."
            raise ContractError(msg)
        if not 0.0 < self.center_share <= 1.0:
            msg = f"Preprocessing center_share is {self.center_share}; expected a number above 0 and at most 1."
            raise ContractError(msg)
        if self.fit is Fit.LETTERBOX and self.center_share != 1.0:
            msg = f"Preprocessing center_share is {self.center_share} with a letterbox, which shows the whole frame."
            raise ContractError(msg)
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            msg = f"Preprocessing mean {self.mean} and std {self.std} must be three numbers each, std above 0."
            raise ContractError(msg)
