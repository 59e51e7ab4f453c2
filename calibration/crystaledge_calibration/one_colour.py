"""Pictures that show nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import DataError


def refuse_one_colour(pixels: NDArray[np.uint8], *, where: str) -> None:
    """Refuse a picture `(H, W, channels)` whose pixels are all alike: ranges and verdicts over it mean nothing.

    Raises:
        DataError: it is one; `where` names it.
    """
    if (pixels == pixels[0, 0]).all():
        msg = f"{where} is of one colour and shows nothing; take it out of the data."
        raise DataError(msg)
