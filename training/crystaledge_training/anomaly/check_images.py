"""A first look at normal images, so that a bad one is known before anything is computed or written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crystaledge.errors import DataError
from crystaledge.files import sha256_of
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge.sources.images import read_image


def require_usable(paths: Sequence[Path], preprocessing: Preprocessing) -> None:
    """Look at every image at the network's size; one is in memory at a time.

    Raises:
        DataError: one cannot be read or is of a single colour, or all of them show the same.
    """
    preprocessor = Preprocessor(preprocessing)
    seen: set[str] = set()
    for path in paths:
        pixels = preprocessor.resize(read_image(path), ColorOrder.BGR)
        if (pixels == pixels[0, 0]).all():
            msg = f"The image {path} is of one colour, so it shows no part; remove it from the normal images."
            raise DataError(msg)
        seen.add(sha256_of(pixels.tobytes()))
    if len(paths) > 1 and len(seen) == 1:
        msg = (
            f"All {len(paths)} normal images, such as {paths[0]}, show the same pixels, which says nothing of how "
            "normal parts differ; expected images of different parts."
        )
        raise DataError(msg)
