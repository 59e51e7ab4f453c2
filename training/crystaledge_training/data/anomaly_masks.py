"""Which pixels of an image are defect: from a mask beside it, or from boxes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.sources.images import IMAGE_SUFFIXES, read_image
from crystaledge_training.data.annotated import BoxXyxy
from crystaledge_training.data.annotation_files import image_size_hw


def mask_of(image: Path, folder: Path) -> Path | None:
    """The mask of an image, `NAME_mask` or `NAME` in `folder`; None where it has none.

    Raises:
        DataError: it is of another size than the image, or no image.
    """
    names = (f"{image.stem}{end}{suffix}" for end in ("_mask", "") for suffix in sorted(IMAGE_SUFFIXES))
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        return None
    (height, width), (mask_height, mask_width) = image_size_hw(image), image_size_hw(found)
    if (height, width) != (mask_height, mask_width):
        msg = (
            f"The mask {found} is {mask_width} x {mask_height} px and its image {image} is {width} x {height} px; "
            "expected equal sizes. Replace the mask, or remove it to test without."
        )
        raise DataError(msg)
    return found


def defect_pixels(
    size_hw: tuple[int, int], mask: Path | None, boxes: tuple[BoxXyxy, ...], *, at_hw: tuple[int, int]
) -> NDArray[np.bool_]:
    """Where the defect is, bool `(h, w)` at the size `at_hw`: a pixel is defect if at least half of it is.

    Args:
        size_hw: of the image that mask and boxes speak of.

    Raises:
        DataError: the mask cannot be decoded.
    """
    shown = np.zeros(size_hw, np.uint8) if mask is None else (read_image(mask).max(axis=2) > 0).astype(np.uint8)
    for x1, y1, x2, y2 in boxes:
        shown[max(round(y1), 0) : max(round(y2), 0), max(round(x1), 0) : max(round(x2), 0)] = 1
    share = cv2.resize(shown.astype(np.float32), at_hw[::-1], interpolation=cv2.INTER_AREA)
    marked: NDArray[np.bool_] = share >= np.float32(0.5)
    return marked
