"""A bundle: the folder that ships. Opening one checks everything it promises."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crystaledge.errors import BundleError
from crystaledge.files import sha256_of
from crystaledge.manifest.check import parse_manifest
from crystaledge.manifest.model import MANIFEST_NAME, FileRole, GraphSpec, Manifest
from crystaledge.onnx_wire import refuse_external_data


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened, verified bundle. Files are read once, and what was hashed is what is used."""

    path: Path
    manifest: Manifest
    contents: dict[str, bytes]
    """Verified bytes of each listed file."""

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Open a bundle folder and check its manifest, and every file's presence, place and SHA-256.

        Raises:
            ManifestError: the manifest breaks the contract.
            BundleError: a file is missing, changed, outside the bundle, or a graph refers to
                external data.
        """
        folder = Path(path)
        manifest = parse_manifest(_read(folder, MANIFEST_NAME), where=str(folder / MANIFEST_NAME))
        contents = {entry.path: _verified(folder, entry.path, entry.sha256) for entry in manifest.files}
        for entry in manifest.files:
            if entry.role is FileRole.GRAPH:
                refuse_external_data(contents[entry.path], where=str(folder / entry.path))
        return cls(folder, manifest, contents)

    def graph(self, name: str | None = None) -> GraphSpec:
        """The graph of that name, or the first one.

        Raises:
            BundleError: there is no such graph.
        """
        graphs = {g.name: g for g in self.manifest.graphs}
        if name is not None and name not in graphs:
            msg = f"The bundle {self.path} has no graph {name!r}; it has {', '.join(graphs)}."
            raise BundleError(msg)
        return graphs[name] if name is not None else self.manifest.graphs[0]

    def graph_bytes(self, graph: GraphSpec) -> bytes:
        """The ONNX file of a graph, as verified."""
        return self.contents[graph.file]


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        msg = f"The bundle {folder} has no readable {name} ({error.strerror}); is this a bundle folder?"
        raise BundleError(msg) from error


def _verified(folder: Path, name: str, sha256: str) -> bytes:
    # The manifest's grammar has no "..", but a link inside the folder can still lead out of it.
    try:
        inside = (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link to itself
        inside = False
    if not inside:
        msg = f"The bundle {folder} lists {name!r}, which leads outside of it; bundles hold their own files."
        raise BundleError(msg)
    data = _read(folder, name)
    if sha256_of(data) != sha256:
        msg = f"{folder / name} has changed since the bundle was made (SHA-256 differs); export or copy it again."
        raise BundleError(msg)
    return data
