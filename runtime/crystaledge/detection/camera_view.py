"""What a detector remembers of one camera: the held image, the maps of each octave, and which cells are stale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.codec import STRIDE_PX
from crystaledge.detection.held_image import Change, HeldImage
from crystaledge.detection.noise import NoiseConfig
from crystaledge.detection.windows import HALO_CELLS, Window, stale_cells

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

LOGIT, BOX, FEATURES = "logit", "box", "features"
_CORE_CELLS = 2
"""Around the centre of a tracked face: where its own box is read."""


@dataclass(frozen=True, slots=True)
class Octave:
    """Maps of one level of the pyramid."""

    maps: Mapping[str, Array]
    """By output name, `(channels, h / 4, w / 4)`."""
    stale: Mask
    """bool `(h / 4, w / 4)`: cells whose maps are not those of the held image."""

    @property
    def image_hw(self) -> tuple[int, int]:
        """Size of the level in pixels."""
        return self.stale.shape[0] * STRIDE_PX, self.stale.shape[1] * STRIDE_PX

    def paste(self, window: Window, maps: Mapping[str, Array]) -> None:
        """Take over what a window settles; `maps` are the window's own, `(channels, y, x)`."""
        rows, columns = window.target
        for name, target in self.maps.items():
            target[:, rows, columns] = maps[name][(slice(None), *window.source)]
        self.stale[rows, columns] = False


class CameraView:
    """One camera as the detector knows it."""

    def __init__(
        self,
        size_hw: tuple[int, int],
        *,
        octaves: int,
        channels: Mapping[str, int],
        table: NDArray[np.float32],
        noise: NoiseConfig,
    ) -> None:
        self.held = HeldImage(size_hw, octaves=octaves, table=table, noise=noise)
        self.octaves = [self._octave(size_hw, octave, channels) for octave in range(octaves)]

    def take(self, image: NDArray[np.uint8], *, refresh: bool) -> Change:
        """Hold what changed in a resized frame, and mark the cells that it reaches."""
        change = self.held.take(image, refresh=refresh)
        if not change.blocks.any():
            return change
        changed = change.pixels
        for octave in self.octaves:
            octave.stale[...] |= stale_cells(changed)
            halves = changed.reshape(changed.shape[0] // 2, 2, changed.shape[1] // 2, 2)
            changed = np.logical_or.reduce(halves, axis=(1, 3))
        return change

    def wanted(self, explained_xyxy: Array) -> list[Mask]:
        """Stale cells that must be settled now, for each octave.

        What changed around a face that is where its track says is explained; of it only the cells around the face's
        centre are wanted, to verify it. All other stale cells are.

        Args:
            explained_xyxy: float32 `(N, 4)` in pixels of the network's input; none, and all stale cells are wanted.
        """
        masks = []
        for level, octave in enumerate(self.octaves):
            wanted = octave.stale.copy()
            for box in explained_xyxy / np.float32(STRIDE_PX << level):
                rows, columns = _cells(box, HALO_CELLS, wanted.shape)
                wanted[rows, columns] = False
            for box in explained_xyxy / np.float32(STRIDE_PX << level):
                centre = (box[:2] + box[2:]) / 2
                middle = np.concatenate([centre, centre])
                rows, columns = _cells(middle, _CORE_CELLS, wanted.shape)
                wanted[rows, columns] = octave.stale[rows, columns]
            masks.append(wanted)
        return masks

    @staticmethod
    def _octave(size_hw: tuple[int, int], level: int, channels: Mapping[str, int]) -> Octave:
        cells = (size_hw[0] >> level) // STRIDE_PX, (size_hw[1] >> level) // STRIDE_PX
        maps = {name: np.zeros((count, *cells), np.float32) for name, count in channels.items()}
        return Octave(maps, np.ones(cells, bool))


def _cells(box: NDArray[np.float32], margin: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Cells that a box in cells touches, with a margin, inside of the map."""
    low = np.maximum(np.floor(box[:2]).astype(int) - margin, 0)
    high = np.minimum(np.ceil(box[2:]).astype(int) + margin, (shape[1], shape[0]))
    return slice(int(low[1]), int(max(high[1], low[1]))), slice(int(low[0]), int(max(high[0], low[0])))
