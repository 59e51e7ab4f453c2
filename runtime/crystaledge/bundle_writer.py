"""Writes a bundle: every file, its hash, the manifest; whole or not at all, the same bytes every time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.files import folder_atomic, sha256_of
from crystaledge.jsonio import dumps
from crystaledge.manifest.check import parse_manifest
from crystaledge.manifest.model import MANIFEST_NAME, FileEntry, FileRole, Manifest

_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a bundle before it is written."""

    path: str
    role: FileRole
    data: bytes

    @property
    def entry(self) -> FileEntry:
        """What the manifest says about it."""
        return FileEntry(path=self.path, sha256=sha256_of(self.data), role=self.role)


def write_bundle(path: Path, manifest: Manifest, parts: tuple[Part, ...], *, force: bool) -> Bundle:
    """Write a bundle folder and open it again, so that what ships is what the runtime accepts.

    Raises:
        OutputExistsError: `path` exists and `force` is false.
        ManifestError, BundleError: the manifest or the parts break the contract; nothing is left.
    """
    text = dumps(manifest)
    parse_manifest(text)
    with folder_atomic(path, force=force, marker=MANIFEST_NAME) as folder:
        for part in parts:
            target = folder / part.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(part.data)
        (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")
        Bundle.open(folder)
    return Bundle.open(path)


def update_bundle(bundle: Bundle, manifest: Manifest, parts: tuple[Part, ...], *, drop: Collection[str] = ()) -> Bundle:
    """Put files into a bundle and take others out; the folder changes as a whole or stays as it was.

    Args:
        manifest: what the bundle will promise; its `files` are made here.
        parts: new files; one of the same path is replaced.
        drop: paths that go.

    Raises:
        ManifestError, BundleError: the result breaks the contract; nothing has changed.
    """
    gone = {*drop, *(part.path for part in parts)}
    kept = tuple(Part(e.path, e.role, bundle.contents[e.path]) for e in bundle.manifest.files if e.path not in gone)
    everything = kept + parts
    complete = replace(manifest, files=tuple(part.entry for part in everything))
    return write_bundle(bundle.path, complete, everything, force=True)


Values = NDArray[np.float32] | NDArray[np.float16] | NDArray[np.uint8]


def npz_bytes(arrays: Mapping[str, Values]) -> bytes:
    """An .npz file without times in it: equal arrays give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(arrays[name], order="C"), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), content.getvalue())
    return buffer.getvalue()
