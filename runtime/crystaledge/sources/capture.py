"""What gives pictures, without saying how: a file, a camera, a network stream, or a script in a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray


class Capture(Protocol):
    """An open device or file. One thread reads and closes it."""

    def read(self) -> NDArray[Any] | None:
        """The next picture, owned by the caller; `pixels.as_bgr` names the shapes it may have.

        None means that nothing more comes: the file has ended, the device is gone, or it stalled for longer than
        its own time limit.
        """
        ...

    @property
    def position_s(self) -> float | None:
        """The last picture's place on the backend's own clock, in seconds; None where it keeps none."""
        ...

    @property
    def rate_fps(self) -> float | None:
        """Nominal frames per second; None where it is not known."""
        ...

    @property
    def frame_count(self) -> int | None:
        """Frames that the container promises; None where it promises nothing."""
        ...

    def close(self) -> None:
        """Give the device or file back."""
        ...


Connect: TypeAlias = Callable[[], Capture | None]
"""Opens anew at each call; None where that is not possible now."""
