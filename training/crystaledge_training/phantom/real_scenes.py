"""Training pictures cut from annotated photographs, zoomed so that faces come in the sizes that are taught."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from crystaledge.sources.images import read_image
from crystaledge_training.data.annotations import AnnotatedImage, AnnotatedSet
from crystaledge_training.phantom.picture import Picture, cut, mirrored, mosaic

_CACHED_IMAGES = 800
FACE_PX = (6.5, 44.0)
"""Sizes (square root of the area) that faces are drawn at, log-uniformly; beyond what one octave is taught."""
_AT_A_FACE = 0.85
"""Share of cuts that are placed at a face; the others are anywhere."""
_LARGEST_ZOOM = 2.0
"""Beyond it a photograph has no more detail to show."""


class RealScenes:
    """Cuts of the images of an annotated set.

    Args:
        size_px: side of the square pictures.
        mosaic_share: share of pictures that are put together from four.
    """

    def __init__(
        self,
        annotated: AnnotatedSet,
        *,
        size_px: int,
        mosaic_share: float,
    ) -> None:
        self._images = annotated.images
        self._with_faces = [i for i, image in enumerate(self._images) if (~image.ignored).any()]
        self._size = size_px
        self._mosaic = mosaic_share
        self._read = lru_cache(maxsize=_CACHED_IMAGES)(lambda index: _picture(annotated.images[index]))

    def draw(self, random: np.random.Generator) -> Picture:
        """One picture; the same for the same state of `random`."""
        if random.random() < self._mosaic:
            return mosaic([self._one(random, self._size // 2) for _ in range(4)])
        return self._one(random, self._size)

    def _face(self, random: np.random.Generator) -> tuple[int, int]:
        """Number of an image and of a face in it."""
        index = self._with_faces[int(random.integers(len(self._with_faces)))]
        faces = np.flatnonzero(~self._images[index].ignored)
        return index, int(faces[random.integers(len(faces))])

    def _one(self, random: np.random.Generator, side: int) -> Picture:
        if random.random() < _AT_A_FACE and self._with_faces:
            index, face = self._face(random)
            image = self._images[index]
            x1, y1, x2, y2 = image.box_xyxy[face].tolist()
            wanted = float(np.exp(random.uniform(*np.log(FACE_PX))))
            scale = min(wanted / np.sqrt((x2 - x1) * (y2 - y1)), _LARGEST_ZOOM)
            off = random.uniform(-0.45, 0.45, 2) * side / scale
            centre = (x1 + x2) / 2 + off[0], (y1 + y2) / 2 + off[1]
        else:
            index = int(random.integers(len(self._images)))
            image = self._images[index]
            scale = float(side / max(image.size_hw) * np.exp(random.uniform(0.0, 1.2)))
            centre = random.uniform(0.0, image.size_hw[1]), random.uniform(0.0, image.size_hw[0])
        window = cut(self._read(index), centre_xy=centre, scale=scale, size_hw=(side, side))
        return mirrored(window) if random.random() < 0.5 else window


def _picture(image: AnnotatedImage) -> Picture:
    kind = np.where(image.ignored, 0, 1).astype(np.int64)
    return Picture(np.ascontiguousarray(read_image(image.path)[:, :, ::-1]), image.box_xyxy, kind)
