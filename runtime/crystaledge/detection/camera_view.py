"""What a detector remembers of one camera: the held image, the maps of each octave, and which cells are stale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.codec import STRIDE_PX
from crystaledge.detection.held_image import Change, HeldImage
from crystaledge.detection.noise import NoiseConfig
from crystaledge.detection.track_inputs import level_of
from crystaledge.detection.windows import HALO_CELLS, Window, stale_cells

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

LOGIT, BOX, FEATURES = "logit", "box", "features"
_CORE_CELLS = 2
"""On each side of the centre of a tracked face: where its own box is read."""
_AROUND, _BELOW = 0.5, 1.5
"""What moves with a face, in sizes of its box: to the sides and above, and below."""


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

    def take(self, image: NDArray[np.uint8], *, refresh: bool, content_hw: tuple[int, int] | None = None) -> Change:
        """Hold what changed in a resized frame, and mark the cells that it reaches; see `HeldImage.take`."""
        change = self.held.take(image, refresh=refresh, content_hw=content_hw)
        if not change.blocks.any():
            return change
        changed = change.blocks  # a block of one octave is a quarter of a block of the next
        for octave in self.octaves:
            octave.stale[...] |= stale_cells(changed)
            changed = _any_of_four(changed)
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
            for box in _with_shoulders(explained_xyxy) / np.float32(STRIDE_PX << level):
                rows, columns = _cells(box, HALO_CELLS, wanted.shape)
                wanted[rows, columns] = False
            for box in explained_xyxy:
                if level_of(box, len(self.octaves)) == level:
                    rows, columns = _core(box / np.float32(STRIDE_PX << level), wanted.shape)
                    wanted[rows, columns] = octave.stale[rows, columns]
            masks.append(wanted)
        return masks

    @staticmethod
    def _octave(size_hw: tuple[int, int], level: int, channels: Mapping[str, int]) -> Octave:
        cells = (size_hw[0] >> level) // STRIDE_PX, (size_hw[1] >> level) // STRIDE_PX
        maps = {name: np.zeros((count, *cells), np.float32) for name, count in channels.items()}
        return Octave(maps, np.ones(cells, bool))


def _any_of_four(blocks: Mask) -> Mask:
    """Whether one of 2 x 2 is set; an odd last row or column belongs to no whole block of the next octave."""
    height, width = blocks.shape[0] // 2 * 2, blocks.shape[1] // 2 * 2
    rows = blocks[:height:2] | blocks[1:height:2]
    return rows[:, :width:2] | rows[:, 1:width:2]


def _with_shoulders(box_xyxy: Array) -> Array:
    """What moves with a face: hair, neck and shoulders."""
    sizes = box_xyxy[:, 2:] - box_xyxy[:, :2]
    grown: Array = np.concatenate(
        [box_xyxy[:, :2] - _AROUND * sizes, box_xyxy[:, 2:] + (_AROUND, _BELOW) * sizes], axis=1
    ).astype(np.float32)
    return grown


def _core(box: Array, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The cells around the centre of a box in cells; as many as the smallest window settles."""
    column, row = (round(float(box[axis] + box[axis + 2]) / 2) for axis in (0, 1))
    rows, columns = (
        slice(min(max(place - _CORE_CELLS, 0), size), max(min(place + _CORE_CELLS, size), 0))
        for place, size in zip((row, column), shape, strict=True)
    )
    return rows, columns


def _cells(box: NDArray[np.float32], margin: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Cells that a box in cells touches, with a margin, inside of the map."""
    low = np.maximum(np.floor(box[:2]).astype(int) - margin, 0)
    high = np.minimum(np.ceil(box[2:]).astype(int) + margin, (shape[1], shape[0]))
    return slice(int(low[1]), int(max(high[1], low[1]))), slice(int(low[0]), int(max(high[0], low[0])))
