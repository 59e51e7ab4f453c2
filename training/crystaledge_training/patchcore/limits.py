"""How much memory a training may take, and what gives way where it would take more."""

from __future__ import annotations

from crystaledge.errors import DataError
from crystaledge_training.patchcore.train_config import PatchCoreTrainConfig

MOST_BYTES = 2**31
"""For what one batch needs inside of the network, and for what the search holds at once."""
_BATCH_BYTES = 2**28
_BYTES_PER_PX = 300
"""Of EfficientNet-Lite0's widest place: 96 channels at stride 2 in float32, three times at once."""


def require_room(config: PatchCoreTrainConfig, images: int) -> None:
    """Refuse sizes that no cut makes fit, before an image is read.

    Raises:
        DataError: see `batch_size_of` and `patches_per_image`.
    """
    batch_size_of(config)
    patches_per_image(config, images)


def batch_size_of(config: PatchCoreTrainConfig) -> int:
    """Images at once: as configured, or fewer where they are large.

    Raises:
        DataError: a single image needs more than `MOST_BYTES`.
    """
    height, width = config.size_hw
    needed = height * width * _BYTES_PER_PX
    if needed > MOST_BYTES:
        msg = (
            f"An image of {height} x {width} px needs about {needed / 2**30:.1f} GiB inside of the network; expected "
            f"at most {MOST_BYTES / 2**30:.0f} GiB. Give a smaller size, or cut the images into parts."
        )
        raise DataError(msg)
    return max(1, min(config.batch_size, _BATCH_BYTES // needed))


def cells_hw(config: PatchCoreTrainConfig) -> tuple[int, int]:
    """Size of an image's map: the finest level's."""
    stride = config.network.levels[0]
    return -(-config.size_hw[0] // stride), -(-config.size_hw[1] // stride)


def patches_per_image(config: PatchCoreTrainConfig, images: int) -> int:
    """How many of an image's patches may be chosen from, so that those of all images fit into the pool.

    Raises:
        DataError: not even one of each.
    """
    height, width = cells_hw(config)
    kept = min(height * width, config.most_pool_bytes // (4 * config.network.bank_dims * images))
    if not kept:
        msg = (
            f"One patch of each of {images} normal images takes more than the {config.most_pool_bytes / 2**20:.0f} MiB "
            "that the choice may; give fewer images."
        )
        raise DataError(msg)
    return kept


def bank_rows_of(config: PatchCoreTrainConfig, patches: int) -> int:
    """Rows of the memory: the share that was asked for, and at least one; fewer where a search would not fit.

    Args:
        patches: of all remembered images, before any are left out of the choice.
    """
    height, width = cells_hw(config)
    fits = MOST_BYTES // (4 * height * width)
    return max(1, min(int(patches * config.bank_share), config.most_bank_rows, fits))
