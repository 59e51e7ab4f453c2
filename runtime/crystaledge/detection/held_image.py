"""The image that a detector's cached maps are of: each block as it was when it last changed.

What lies below the threshold of change stays as it was, so the maps are exactly those of the held image, and the held
image is the current one up to that threshold. A refresh takes the current image as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.codec import STRIDE_PX
from crystaledge.detection.noise import Light, NoiseConfig, NoiseModel

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_FEW = 4
"""Light and noise are measured on every fourth pixel in both directions."""
MOTION_LEVELS = 64.0
"""Grey levels that count as one in the motion that the track cell is shown."""
CUT_SHARE, CUT_LEVELS = 0.8, 16.0
"""Share of blocks that change when another scene begins, and by how much on average: a pan changes many, by less."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a new frame changed."""

    blocks: Mask
    """bool `(h / 4, w / 4)`: blocks of 4 px that were taken over."""
    share: float
    """Of the blocks that show the frame, 0 to 1."""
    cut: bool
    """So much changed at once that tracks cannot be followed across it."""

    @property
    def pixels(self) -> Mask:
        """bool `(h, w)`."""
        return self.blocks.repeat(STRIDE_PX, axis=0).repeat(STRIDE_PX, axis=1)


class HeldImage:
    """The held image of one camera, uint8 `(h, w, 3)` at the detector's size, and its octaves as tensors."""

    def __init__(
        self, size_hw: tuple[int, int], *, octaves: int, table: NDArray[np.float32], noise: NoiseConfig
    ) -> None:
        """Start with nothing held.

        Args:
            table: float32 `(3, 256)`: what the network gets for each value of each channel.
        """
        height, width = size_hw
        self.pixels: Image = np.zeros((height, width, 3), np.uint8)
        self.tensors: Sequence[NDArray[np.float32]] = [
            np.zeros((3, height >> octave, width >> octave), np.float32) for octave in range(octaves)
        ]
        self.motion: NDArray[np.float32] = np.zeros(size_hw, np.float32)
        """What the last frame moved, `(h, w)`, in units of `MOTION_LEVELS` grey levels; 0 below the threshold."""
        self._table = table
        self._noise = NoiseModel(noise)
        self._grain = STRIDE_PX << (octaves - 1)
        self.empty = True

    def take(self, image: Image, *, refresh: bool, content_hw: tuple[int, int] | None = None) -> Change:
        """Take over what changed in uint8 `(h, w, 3)`, all of it on a refresh or where nothing is held yet.

        Args:
            content_hw: the part, from the upper left corner, that shows the frame; None for all of it.
        """
        height, width = image.shape[0] // STRIDE_PX, image.shape[1] // STRIDE_PX
        first, self.empty = self.empty, False
        self.motion[...] = 0.0
        blocks = np.ones((height, width), bool) if first else self._changed(image)
        shown = tuple(slice(-(-size // STRIDE_PX)) for size in content_hw or image.shape[:2])
        share = float(blocks[shown].mean())
        cut = not first and share > CUT_SHARE and self._moved_levels(content_hw) > CUT_LEVELS
        if refresh:
            blocks = np.ones((height, width), bool)
        if blocks.any():
            self._hold(image, blocks)
        return Change(blocks, share, cut)

    def _moved_levels(self, content_hw: tuple[int, int] | None) -> float:
        """Mean of the differences above the threshold, in grey levels."""
        height, width = content_hw or self.motion.shape
        return float(self.motion[:height, :width].mean()) * MOTION_LEVELS

    def _changed(self, image: Image) -> Mask:
        current, held = grey(image), grey(self.pixels)
        difference = current - held
        few = difference[::_FEW, ::_FEW], held[::_FEW, ::_FEW]
        light = Light.between(*few)
        self._noise.observe(np.abs(light.removed(*few)), few[1])
        magnitude = np.abs(light.removed(difference, held))
        moved_of(magnitude, self._noise.threshold, self.motion)
        rows, columns = magnitude.shape[0] // STRIDE_PX, magnitude.shape[1] // STRIDE_PX
        tall = magnitude.reshape(rows, STRIDE_PX, -1).max(axis=1)
        peaks = tall.reshape(rows, columns, STRIDE_PX).max(axis=2)
        changed: Mask = peaks > self._noise.threshold
        return changed

    def _hold(self, image: Image, blocks: Mask) -> None:
        if blocks.all():
            self.pixels[...] = image
        else:
            mask = blocks.repeat(STRIDE_PX, axis=0).repeat(STRIDE_PX, axis=1)
            np.copyto(self.pixels, image, where=mask[:, :, None])
        rows, columns = _extent(blocks, self._grain, self.pixels.shape[:2])
        for channel in range(3):
            np.take(
                self._table[channel],
                self.pixels[rows, columns, channel],
                out=self.tensors[0][channel, rows, columns],
                mode="clip",
            )
        for finer, coarser in zip(self.tensors, self.tensors[1:], strict=False):
            rows, columns = (slice(s.start // 2, s.stop // 2) for s in (rows, columns))
            source = finer[:, rows.start * 2 : rows.stop * 2, columns.start * 2 : columns.stop * 2]
            coarser[:, rows, columns] = halved(source)


def moved_of(magnitude: NDArray[np.float32], threshold: float, out: NDArray[np.float32]) -> None:
    """What the track cell is told of movement: differences above the threshold, scaled, into `out`."""
    np.multiply(magnitude, magnitude > threshold, out=out)
    out /= MOTION_LEVELS


def halved(tensor: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each pixel the mean of four: float32 `(3, 2h, 2w)` to `(3, h, w)`."""
    mean: NDArray[np.float32] = (
        tensor[:, ::2, ::2] + tensor[:, ::2, 1::2] + tensor[:, 1::2, ::2] + tensor[:, 1::2, 1::2]
    ) * np.float32(0.25)
    return mean


def grey(image: Image) -> NDArray[np.float32]:
    """Brightness of uint8 `(h, w, 3)`, colours in either order, as float32 `(h, w)` of 0 to 255."""
    brightness: NDArray[np.float32] = image[:, :, 1] * np.float32(0.5)
    brightness += image[:, :, 0] * np.float32(0.25)
    brightness += image[:, :, 2] * np.float32(0.25)
    return brightness


def _extent(blocks: Mask, grain_px: int, image_hw: tuple[int, int]) -> tuple[slice, slice]:
    """The smallest rectangle of whole grains around the set blocks, in pixels."""
    extents = []
    for axis, size in enumerate(image_hw):
        places = np.flatnonzero(blocks.any(axis=1 - axis)) * STRIDE_PX
        low = int(places[0]) // grain_px * grain_px
        high = -(-(int(places[-1]) + STRIDE_PX) // grain_px) * grain_px
        extents.append(slice(low, min(high, size)))
    return extents[0], extents[1]
