"""A damaged graph is to be judged, not to stop the judge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
LARGEST = 1e6
"""Far beyond all that a sound graph says, and its square still a float32."""


def finite(values: Array, *, nan: float = -LARGEST) -> Array:
    """The values, finite and within `LARGEST`; the sign of an infinity stays.

    Args:
        nan: stands for what is no number.
    """
    clean: Array = np.nan_to_num(values, nan=nan, posinf=LARGEST, neginf=-LARGEST).clip(-LARGEST, LARGEST)
    return clean
