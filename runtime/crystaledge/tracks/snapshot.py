"""Tracks to a file and back, so that a restart does not forget. The file holds personal data."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import StateError
from crystaledge.files import write_atomic
from crystaledge.jsonio import Bounds, dumps, loads
from crystaledge.tensors import StatePair
from crystaledge.tracks.store import LARGEST_STATE, StateStore

SNAPSHOT_VERSION = 1
_HEADER = "header"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackEntry:
    """One live track."""

    track: int
    last_seen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotHeader:
    """What a state file says about itself."""

    version: Annotated[int, Bounds(SNAPSHOT_VERSION, SNAPSHOT_VERSION)]
    graph_sha256: str
    """The states are those of this graph and of no other."""
    frame: int
    tracks: tuple[TrackEntry, ...]
    host: str
    """JSON text of the pipeline's own records."""


def save_snapshot(path: Path, store: StateStore, *, graph_sha256: str, frame: int, host: str) -> None:
    """Write all live tracks to one file, atomically, without pickle."""
    tracks = store.tracks
    header = SnapshotHeader(
        version=SNAPSHOT_VERSION,
        graph_sha256=graph_sha256,
        frame=frame,
        tracks=tuple(TrackEntry(track=t, last_seen=store.last_seen(t)) for t in tracks),
        host=host,
    )
    slots = store.slots(tracks)
    arrays = {name: array[slots] for name, array in store.arrays.items()}
    buffer = io.BytesIO()
    everything: dict[str, Any] = {_HEADER: np.frombuffer(dumps(header).encode(), np.uint8), **arrays}
    np.savez(buffer, **everything)
    write_atomic(path, buffer.getvalue(), private=True)


def load_snapshot(path: Path, store: StateStore, states: tuple[StatePair, ...], *, graph_sha256: str) -> SnapshotHeader:
    """Create the tracks of a file in `store`, which has none of them.

    Raises:
        StateError: the file is unreadable, of another graph or version, or holds a state that is
            misshapen or not finite; the store is as it was then.
    """
    header, arrays = _read(path)
    if header.graph_sha256 != graph_sha256:
        msg = f"The state file {path} belongs to another graph; states cannot move between models."
        raise StateError(msg)
    numbers = [entry.track for entry in header.tracks]
    if len(set(numbers)) != len(numbers):
        msg = f"The state file {path} names a track twice."
        raise StateError(msg)
    if any(entry.last_seen > header.frame for entry in header.tracks):
        msg = f"The state file {path} has seen a track after its last frame {header.frame}; the file is refused."
        raise StateError(msg)
    for pair in states:
        _check(path, arrays.get(pair.input), pair, len(numbers))
    for row, entry in enumerate(header.tracks):
        store.create(entry.track, frame=entry.last_seen)
        store.load(entry.track, {pair.input: arrays[pair.input][row] for pair in states})
    return header


def _read(path: Path) -> tuple[SnapshotHeader, dict[str, NDArray[np.float32]]]:
    try:
        arrays = _arrays(path.read_bytes())
        text = arrays.pop(_HEADER).tobytes()
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        MemoryError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
    ) as error:
        msg = f"The state file {path} cannot be read; expected a file that a snapshot wrote."
        raise StateError(msg) from error
    return loads(SnapshotHeader, text, where=str(path), error=StateError), arrays


def _arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """Arrays of an .npz file, which states fill as they are: an entry that claims to inflate is refused."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > len(data):
            msg = "an entry inflates beyond the size of the file"
            raise ValueError(msg)
        return {_array_name(entry): _array(archive.read(entry)) for entry in archive.infolist()}


def _array_name(entry: zipfile.ZipInfo) -> str:
    return entry.filename.removesuffix(".npy")


def _array(content: bytes) -> NDArray[Any]:
    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return array


def _check(path: Path, array: NDArray[np.float32] | None, pair: StatePair, count: int) -> None:
    if array is None or array.dtype != np.float32 or array.shape != (count, *pair.shape):
        found = "missing" if array is None else f"{array.dtype} {list(array.shape)}"
        msg = f"State {pair.input!r} in {path} is {found}; expected float32 {[count, *pair.shape]}."
        raise StateError(msg)
    if not (np.abs(array) <= LARGEST_STATE).all():
        msg = f"State {pair.input!r} in {path} holds NaN, infinity or a value beyond reason; the file is refused."
        raise StateError(msg)
