"""Events as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TextIO

from crystaledge.jsonio import encode


class JsonLines:
    """Writes each event, a frozen dataclass, as one JSON object a line; the stream stays the caller's.

    Once the stream's reader has gone away nothing more is written to it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._reader_left = False

    def write(self, events: Iterable[object]) -> None:
        """Write the events of one frame and flush, so that a reader has whole frames.

        Raises:
            BrokenPipeError: the reader went away; whether that ends the run is the caller's to decide. Raised once.
        """
        if self._reader_left:
            return
        try:
            self._stream.write("".join(json.dumps(encode(event), allow_nan=False) + "\n" for event in events))
            self._stream.flush()
        except BrokenPipeError:
            self._reader_left = True
            raise
