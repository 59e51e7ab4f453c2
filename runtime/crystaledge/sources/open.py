"""From what a user names to a source of frames."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, cast

from crystaledge.errors import DataError
from crystaledge.extras import load
from crystaledge.scene.scene import SceneConfig, SyntheticSource
from crystaledge.sources.address import STREAM_SCHEMES, is_film, label_of, scheme_of, shown
from crystaledge.sources.camera import LiveSource
from crystaledge.sources.capture import Capture, Connect
from crystaledge.sources.frame import Source
from crystaledge.sources.retry import Retry

SYNTHETIC = "synthetic"
Say = Callable[[str], None]


class _FromFolder(Protocol):
    def __call__(self, path: Path, /, *, subfolders_only: bool = False) -> Source: ...


class _FromVideo(Protocol):
    def __call__(self, path: Path, /, *, name: str | None, connect: Connect | None, say: Say) -> Source: ...


def open_source(
    name: str,
    *,
    scene: SceneConfig | None = None,
    label: str | None = None,
    retry: Retry | None = None,
    say: Say = lambda line: None,
) -> Source:
    """The source of that name.

    - `synthetic`: the drawn scene.
    - `0`, `1`, ...: a camera by its number; a folder called 0 is `./0`.
    - `/dev/video0`, `/dev/v4l/by-id/...`: a camera by its device file.
    - `rtsp://`, `rtsps://`, `http://`, `https://`: a network camera; a web address that ends in .mp4, .mkv, .mov,
      .avi, .webm or .m4v is a video file.
    - anything else is a folder of images or a video file.

    Cameras and network addresses are opened when they are iterated.

    Args:
        scene: what `synthetic` shows.
        label: name of the sequence of a camera or video; where None `camera0`, `video0`, `host:port`, or the file's.
        retry: how a lost camera is tried again.
        say: hears of lost cameras and damaged files, a line each.

    Raises:
        DataError: there is no such file or folder, it holds nothing that can be shown, or the address is of no use.
        MissingExtraError: OpenCV is not installed.
    """
    if name == SYNTHETIC:
        return SyntheticSource(scene or SceneConfig())
    if scheme_of(name) is not None:
        return _from_address(name, label=label, retry=retry, say=say)
    if re.fullmatch(r"[0-9]{1,4}", name):
        opened = _opener("open_camera", int(name))
        return LiveSource(label or f"camera{int(name)}", opened, retry=retry, say=say)
    if name.startswith("/dev/"):
        return LiveSource(label or Path(name).name, _opener("open_camera", name), retry=retry, say=say)
    path = Path(name)
    if not path.exists():
        msg = (
            f"The source {shown(name)} does not exist; expected a folder of images, a video file, or {SYNTHETIC!r}; "
            "a camera is a number, /dev/videoN, or an rtsp:// or http:// address."
        )
        raise DataError(msg)
    if path.is_dir():
        return cast(_FromFolder, _load("folder:FolderSource"))(path)
    return cast(_FromVideo, _load("video:VideoSource"))(path, name=label, connect=None, say=say)


def open_gallery(folder: Path) -> Source:
    """The people of `folder/identity/*.jpg|png|pgm`, one sequence each.

    Raises:
        DataError: no such folder, or images that belong to nobody.
        MissingExtraError: OpenCV is not installed.
    """
    if not folder.is_dir():
        msg = f"The gallery {folder} is not a folder; expected DIR/identity/*.jpg, *.png or *.pgm."
        raise DataError(msg)
    return cast(_FromFolder, _load("folder:FolderSource"))(folder, subfolders_only=True)


def _from_address(url: str, *, label: str | None, retry: Retry | None, say: Say) -> Source:
    host = label_of(url)
    if scheme_of(url) not in STREAM_SCHEMES:
        msg = f"The address of {host} is of no use here; expected rtsp://, rtsps://, http:// or https://."
        raise DataError(msg)
    if is_film(url):
        opened = _opener("open_film", url)
        return cast(_FromVideo, _load("video:VideoSource"))(Path(host), name=label or host, connect=opened, say=say)
    return LiveSource(label or host, _opener("open_stream", url), retry=retry, say=say)


def _opener(function: str, argument: int | str) -> Connect:
    made = cast(Callable[[int | str], Capture | None], _load(f"opencv:{function}"))
    return partial(made, argument)


def _load(target: str) -> object:
    return load(f"crystaledge.sources.{target}", extra="vision", purpose="Reading images and video")
