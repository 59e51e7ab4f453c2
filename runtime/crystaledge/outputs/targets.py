"""Which file the recording of a sequence becomes."""

from __future__ import annotations

import re
from pathlib import Path

from crystaledge.files import refuse_existing_file


class Targets:
    """`path` for the only sequence; for several `path` with each one's name before the suffix.

    Names become harmless and stay apart: `cam/1` is `cam_1`, and a second `cam_1` is `cam_1-2`.

    Args:
        force: existing files may be replaced.

    Raises:
        OutputExistsError: `path` exists and `force` is false.
    """

    def __init__(self, path: Path, *, force: bool) -> None:
        refuse_existing_file(path, force=force)
        self._path, self._force = path, force
        self._named: dict[str, Path] = {}

    def __contains__(self, sequence: str) -> bool:
        return sequence in self._named

    def __getitem__(self, sequence: str) -> Path:
        """Where a sequence's file belongs, as far as sequences are known by now."""
        return self._named[sequence] if len(self._named) > 1 else self._path

    def add(self, sequence: str) -> None:
        """Make room for one more sequence.

        Raises:
            OutputExistsError: a file of its name, or of the first one's, exists and `force` is false; nothing changed.
        """
        named = {**self._named, sequence: self._free_name(sequence)}
        if len(named) == 2:  # the first sequence gets a name of its own by this
            for path in named.values():
                refuse_existing_file(path, force=self._force)
        elif len(named) > 2:
            refuse_existing_file(named[sequence], force=self._force)
        self._named = named

    def _free_name(self, sequence: str) -> Path:
        safe = re.sub(r"[^\w.-]+", "_", sequence)[:80]
        taken, number = set(self._named.values()), 1
        while True:
            ending = safe if number == 1 else f"{safe}-{number}"
            name = self._path.with_name(f"{self._path.stem}.{ending}{self._path.suffix}")
            if name not in taken:
                return name
            number += 1
