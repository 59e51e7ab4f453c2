"""A folder of face crops as a source: one sequence, or one per subfolder. Needs extra `vision`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from crystaledge.errors import DataError
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from crystaledge.sources.images import list_images, read_image


class FolderSource:
    """Images of a folder in natural order; where it has only subfolders, each is a sequence.

    Raises:
        DataError: no image is found.
    """

    def __init__(self, folder: Path, *, subfolders_only: bool = False) -> None:
        own = list_images(folder)
        if own and subfolders_only:
            msg = f"The folder {folder} holds loose images, {own[0].name} for one; expected one subfolder a person."
            raise DataError(msg)
        subfolders = sorted(p for p in folder.iterdir() if p.is_dir())
        candidates = [(folder.name, own)] if own else [(p.name, list_images(p)) for p in subfolders]
        self._sequences = [(name, paths) for name, paths in candidates if paths]
        if not self._sequences:
            msg = f"The folder {folder} holds no images; expected *.jpg, *.png or *.pgm, or subfolders of them."
            raise DataError(msg)

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        for name, paths in self._sequences:
            for path in paths:
                yield Frame(read_image(path), ColorOrder.BGR, index, name)
                index += 1
