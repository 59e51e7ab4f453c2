"""Where the images of a folder lie, and what its subfolders say of them."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import NamedTuple

from crystaledge.errors import DataError
from crystaledge.sources.images import list_images

NORMAL = "good"
"""A subfolder of this name holds images that nothing is wrong with; beside it, all others hold anomalies."""
_SUBFOLDER = "images"


class Purpose(Enum):
    """What images are wanted for: in MVTec's layout (Bergmann et al. 2019) the folder that holds them."""

    CALIBRATE = "train"
    VERIFY = "test"


class Found(NamedTuple):
    """An image file."""

    path: Path
    normal: bool | None
    """Whether nothing is wrong with it; None where no subfolder says."""


def find_images(folder: Path, purpose: Purpose) -> list[Found]:
    """The images of a folder, of its subfolder `images`, or one level down; of its half where MVTec laid it out.

    Raises:
        DataError: there are none.
    """
    root = folder / purpose.value if (folder / Purpose.CALIBRATE.value / NORMAL).is_dir() else folder
    for place in (root, root / _SUBFOLDER):
        plain = list_images(place) if place.is_dir() else []
        if plain:
            return [Found(path, None) for path in plain]
    found = _one_level_down(root) if root.is_dir() else []
    if not found:
        msg = (
            f"{root} holds no images, nor does {root / _SUBFOLDER} or any other folder in it; give a folder of images, "
            f"or one of folders such as {NORMAL}/ and scratched/."
        )
        raise DataError(msg)
    return found


def _one_level_down(folder: Path) -> list[Found]:
    groups = {place.name: list_images(place) for place in sorted(folder.iterdir()) if place.is_dir()}
    labelled = bool(groups.get(NORMAL))
    return [Found(path, name == NORMAL if labelled else None) for name, paths in groups.items() for path in paths]
