"""The anomalous regions of an image: the connected parts of a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.int32]
"""`(H, W)`: 0 where all is normal, else the number of the region, from 1 on."""
_EIGHT = np.ones((3, 3), np.bool_)


def regions_of_mask(mask: NDArray[np.bool_]) -> Labels:
    """Regions of a mask `(H, W)`: pixels that touch, corners included, belong together.

    Eight-connected as in the evaluation of MVTec AD (Bergmann et al., IJCV 2021, section 5.2).
    """
    labels = np.empty(mask.shape, np.int32)
    ndimage.label(mask, structure=_EIGHT, output=labels)
    return labels
