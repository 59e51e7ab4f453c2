"""Reading of files that others wrote: text, numbers, names and image headers, each refused with its place."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath

from PIL import Image

from crystaledge.errors import DataError

_ORIENTATION = 0x0112
"""EXIF tag; its values 5 to 8 turn the image by a quarter."""
_MOST_SHOWN = 60
"""Characters of a malformed line in a message."""


def read_text(path: Path) -> str:
    """UTF-8 text of a file, without a byte order mark, line ends untouched.

    Raises:
        DataError: the file is missing or not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        msg = f"Cannot read the annotations {path}: {error.strerror}."
        raise DataError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"The annotations {path} are no UTF-8 text (byte {error.start}); expected a text file."
        raise DataError(msg) from error


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 file without white space around them; entry 0 is line 1.

    Raises:
        DataError: see `read_text`.
    """
    return [line.strip() for line in read_text(path).split("\n")]


def malformed(path: Path, place: str, found: object, expected: str) -> DataError:
    """An error that names file and place, such as `line 7`, and shows what stands there."""
    shown = repr(found)
    if len(shown) > _MOST_SHOWN:
        shown = shown[:_MOST_SHOWN] + "..."
    return DataError(f"{path}, {place}: {shown}; expected {expected}.")


def finite(value: object) -> float:
    """A text or a number as a finite float.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        msg = "no number"
        raise ValueError(msg)
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError(str(error)) from error
    if not math.isfinite(number):
        msg = "not finite"
        raise ValueError(msg)
    return number


def whole(value: object) -> int:
    """A text or a number as a whole number.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value  # a float would round the long ones
    number = finite(value)
    if number != int(number):
        msg = "not whole"
        raise ValueError(msg)
    return int(number)


def path_below(folder: Path, name: str) -> Path:
    """The file that annotations name, which has to lie below `folder`.

    Raises:
        ValueError: the name is empty, absolute or leads out of the folder.
    """
    parts = PurePosixPath(name)
    if not parts.name or parts.is_absolute() or ".." in parts.parts or "\0" in name:
        msg = "no file name"
        raise ValueError(msg)
    return folder / parts


def is_file(path: Path) -> bool:
    """Whether a file is there; a name that no file can have is not."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def image_size_hw(path: Path) -> tuple[int, int]:
    """Height and width in pixels from an image's header, as `read_image` would decode it: EXIF turns are followed.

    Raises:
        DataError: the file is missing or no image.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION) in (5, 6, 7, 8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "it is missing" if not is_file(path) else "it is no image"
        msg = f"Cannot read the size of {str(path)!r}: {reason}; replace it, or remove its annotations."
        raise DataError(msg) from error
    return (width, height) if turned else (height, width)
