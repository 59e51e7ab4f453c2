"""The patches of normal images that a memory is chosen from, in an array of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.images import read_image
from crystaledge_training.patchcore.limits import batch_size_of, patches_per_image
from crystaledge_training.patchcore.network import PatchFeatures
from crystaledge_training.patchcore.train_config import PatchCoreTrainConfig


@torch.no_grad()
def patches_of(
    features: PatchFeatures,
    paths: Sequence[Path],
    config: PatchCoreTrainConfig,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> Tensor:
    """Patches of images, read batch by batch: equally many of each, drawn by seed where not all of them fit.

    Args:
        features: in inference mode.
        progress: called with the number of images looked at so far.

    Returns:
        float32 `(images * kept, D)`.

    Raises:
        DataError: an image cannot be read, or the images or the patches are too large for the memory allowed.
    """
    size, kept = batch_size_of(config), patches_per_image(config, len(paths))
    pool = torch.empty(len(paths) * kept, config.network.bank_dims)
    preprocessor = Preprocessor(config.preprocessing)
    for start in range(0, len(paths), size):
        batch = paths[start : start + size]
        images = np.stack([preprocessor(read_image(path), ColorOrder.BGR) for path in batch])
        inputs = torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
        for number, cells in enumerate(features(inputs).flatten(2), start=start):
            pool[number * kept : (number + 1) * kept] = cells[:, _drawn(cells.shape[1], kept, config.seed, number)].T
        progress(min(start + size, len(paths)))
    return pool


def _drawn(count: int, kept: int, seed: int, image: int) -> Tensor:
    """Which of an image's patches are kept, in their order."""
    if kept == count:
        return torch.arange(count)
    return torch.from_numpy(np.sort(np.random.default_rng((seed, image)).choice(count, kept, replace=False)))
