"""From what a user names to a source of frames."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, cast

from crystaledge.errors import DataError
from crystaledge.extras import load
from crystaledge.scene.scene import SceneConfig, SyntheticSource
from crystaledge.sources.frame import Source

SYNTHETIC = "synthetic"


class _FromPath(Protocol):
    def __call__(self, path: Path, /) -> Source: ...


class _FromFolder(Protocol):
    def __call__(self, path: Path, /, *, subfolders_only: bool) -> Source: ...


def open_source(name: str, *, scene: SceneConfig | None = None) -> Source:
    """The source of that name: `synthetic`, a folder of images, or a video file.

    Raises:
        DataError: there is no such file or folder, or it holds nothing that can be shown.
        MissingExtraError: OpenCV is not installed.
    """
    if name == SYNTHETIC:
        return SyntheticSource(scene or SceneConfig())
    path = Path(name)
    if not path.exists():
        msg = f"The source {name} does not exist; expected a folder of images, a video file, or {SYNTHETIC!r}."
        raise DataError(msg)
    target = "folder:FolderSource" if path.is_dir() else "video:VideoSource"
    made = load(f"crystaledge.sources.{target}", extra="vision", purpose="Reading images and video")
    return cast(_FromPath, made)(path)


def open_gallery(folder: Path) -> Source:
    """The people of `folder/identity/*.jpg|png|pgm`, one sequence each.

    Raises:
        DataError: no such folder, or images that belong to nobody.
        MissingExtraError: OpenCV is not installed.
    """
    if not folder.is_dir():
        msg = f"The gallery {folder} is not a folder; expected DIR/identity/*.jpg, *.png or *.pgm."
        raise DataError(msg)
    made = load("crystaledge.sources.folder:FolderSource", extra="vision", purpose="Reading images and video")
    return cast(_FromFolder, made)(folder, subfolders_only=True)
