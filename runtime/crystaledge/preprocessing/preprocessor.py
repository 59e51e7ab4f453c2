"""Applies a `Preprocessing` specification to frames, reusing its buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.extras import installed, load
from crystaledge.preprocessing.resample import Resampler, content_hw
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing, Resampling

_MAX_CACHED_SIZES = 16
"""Cameras have one size; a folder of crops may have hundreds, and weights must not pile up."""


def normalisation_table(spec: Preprocessing) -> NDArray[np.float32]:
    """float32 `(3, 256)`: what each uint8 value of each channel becomes.

    Computed in float32 with the same three operations in the same order as a tensor library would
    use, so that both sides agree to the last bit.
    """
    values = np.arange(256, dtype=np.float32) * np.float32(spec.scale)
    mean = np.asarray(spec.mean, np.float32)[:, None]
    std = np.asarray(spec.std, np.float32)[:, None]
    table: NDArray[np.float32] = (values[None, :] - mean) / std
    return table


def check_frame(frame: NDArray[np.uint8]) -> None:
    """Raise `DataError` unless `frame` is a non-empty uint8 array of shape `(H, W, 3)`."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        msg = (
            f"Frame has dtype {frame.dtype} and shape {frame.shape}; expected a non-empty uint8 array "
            "of shape (height, width, 3)."
        )
        raise DataError(msg)


class _Resample(Protocol):
    """Resizes frames of one source size, uint8 `(H, W, 3)` into uint8 `(h, w, 3)`."""

    def __call__(self, frame: NDArray[np.uint8], out: NDArray[np.uint8]) -> None: ...


def _resample_for(spec: Preprocessing) -> Callable[[tuple[int, int], Preprocessing], _Resample]:
    """OpenCV's area mean where it is installed, which is the only filter that the two share; else our own."""
    if spec.resampling is Resampling.AREA and installed("cv2"):
        made = load("crystaledge.preprocessing.resample_opencv:OpenCvResampler", extra="vision", purpose="Resizing")
        return cast(Callable[[tuple[int, int], Preprocessing], _Resample], made)
    return Resampler


class Preprocessor:
    """From uint8 frames to tensor rows, exactly as the specification says."""

    def __init__(self, spec: Preprocessing) -> None:
        self.spec = spec
        self._table = normalisation_table(spec)
        self._resized = np.empty((*spec.size_hw, 3), np.uint8)
        self._resamplers: dict[tuple[int, int], _Resample] = {}

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """Shape of one tensor row: `(3, height, width)`."""
        return (3, *self.spec.size_hw)

    def content_hw(self, frame: NDArray[np.uint8]) -> tuple[int, int]:
        """The part of the tensor, from its upper left corner, that shows a frame `(H, W, 3)`."""
        return content_hw((frame.shape[0], frame.shape[1]), self.spec)

    def scale_xy(self, source_hw: tuple[int, int]) -> tuple[float, float]:
        """Pixels of the tensor per pixel of a letterboxed or stretched frame, across and down."""
        height, width = content_hw(source_hw, self.spec)
        return width / source_hw[1], height / source_hw[0]

    def resize(self, frame: NDArray[np.uint8], color: ColorOrder) -> NDArray[np.uint8]:
        """Fit and resample a frame: uint8 `(h, w, 3)` in the specification's colour order.

        The array is owned by this object and overwritten by the next call.
        """
        check_frame(frame)
        self._resampler(frame.shape[0], frame.shape[1])(frame, self._resized)
        return self._resized if color is self.spec.color else self._resized[:, :, ::-1]

    def into(self, out: NDArray[np.float32], frame: NDArray[np.uint8], color: ColorOrder) -> None:
        """Write one frame into `out`, float32 `(3, h, w)`.

        Raises:
            DataError: the frame is not a non-empty uint8 `(H, W, 3)` array.
        """
        pixels = self.resize(frame, color)
        for channel in range(3):
            np.take(self._table[channel], pixels[:, :, channel], out=out[channel], mode="clip")

    def __call__(self, frame: NDArray[np.uint8], color: ColorOrder) -> NDArray[np.float32]:
        """One new tensor row, float32 `(3, h, w)`."""
        out = np.empty(self.row_shape, np.float32)
        self.into(out, frame, color)
        return out

    def _resampler(self, height: int, width: int) -> _Resample:
        found = self._resamplers.get((height, width))
        if found is None:
            if len(self._resamplers) >= _MAX_CACHED_SIZES:
                self._resamplers.pop(next(iter(self._resamplers)))
            found = _resample_for(self.spec)((height, width), self.spec)
            self._resamplers[height, width] = found
        return found
