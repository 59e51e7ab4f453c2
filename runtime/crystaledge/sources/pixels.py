"""From what a decoder gives to the one picture format of this house."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import DataError


def as_bgr(pixels: NDArray[Any], *, of: str) -> NDArray[np.uint8]:
    """A decoded picture as uint8 `(H, W, 3)` in BGR order; without a copy where it is that already.

    Grey `(H, W)` or `(H, W, 1)` is repeated three times; the fourth channel of BGRA `(H, W, 4)` is dropped.

    Args:
        of: name of the source, for the message.

    Raises:
        DataError: the picture is empty, not uint8, or has another number of channels.
    """
    picture = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
    channels = picture.shape[2] if picture.ndim == 3 else 0
    if picture.dtype != np.uint8 or picture.size == 0 or channels not in (1, 3, 4):
        msg = (
            f"{of} gives pictures of dtype {pixels.dtype} and shape {pixels.shape}; expected uint8 of shape "
            "(height, width) with 1, 3 or 4 channels. Set the camera to an 8-bit format, or convert the video."
        )
        raise DataError(msg)
    if channels == 1:
        return np.repeat(picture, 3, axis=2)
    return np.ascontiguousarray(picture[:, :, :3])
