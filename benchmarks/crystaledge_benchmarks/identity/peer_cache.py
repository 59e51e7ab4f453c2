"""Embeddings by the content of what was embedded: in memory, and in a folder where its user names one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.files import write_atomic

_KEY_BYTES = 32


class PeerCache:
    """Vectors of one network by SHA-256.

    Raises:
        DataError: the file is there and cannot be used.
    """

    def __init__(self, file: Path | None) -> None:
        """Args: file: `.npz`, taken up where it exists and written as vectors are added; None keeps memory alone."""
        self._file = file
        self._known: dict[bytes, NDArray[np.float32]] = {}
        if file is not None and file.exists():
            self._known = _read(file)

    def __contains__(self, key: bytes) -> bool:
        return key in self._known

    def vectors(self, keys: Sequence[bytes]) -> NDArray[np.float32]:
        """Known vectors `(len(keys), D)`."""
        return np.stack([self._known[key] for key in keys])

    def add(self, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Keep vectors `(len(keys), D)`."""
        self._known.update(zip(keys, vectors, strict=True))
        if self._file is not None:
            buffer = io.BytesIO()
            keyed = np.frombuffer(b"".join(self._known), np.uint8).reshape(-1, _KEY_BYTES)
            np.savez(buffer, keys=keyed, vectors=np.stack(list(self._known.values())))
            write_atomic(self._file, buffer.getvalue(), private=True)


def _read(file: Path) -> dict[bytes, NDArray[np.float32]]:
    try:
        with np.lib.npyio.NpzFile(io.BytesIO(file.read_bytes())) as stored:
            keys, vectors = stored["keys"], stored["vectors"].astype(np.float32)
        return {key.tobytes(): vector for key, vector in zip(keys, vectors, strict=True)}
    except (OSError, BadZipFile, ValueError, KeyError) as error:
        msg = f"Cannot use {file} as a cache of embeddings: {error}. Remove it, or name another folder with --cache."
        raise DataError(msg) from error
