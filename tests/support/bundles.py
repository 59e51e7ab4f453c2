"""Bundles of the tiny step, and bundles that were tampered with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, write_bundle
from crystaledge.files import sha256_of
from crystaledge.identity.spec import IdentityDecision
from crystaledge.manifest.model import MANIFEST_NAME, FileRole
from tests.support.manifests import CARD, CARD_FILE, GRAPH_FILE, tiny_manifest
from tests.support.step_graphs import tiny_step_bytes


def write_tiny_bundle(path: Path, *, decision: IdentityDecision | None = None) -> Bundle:
    """Write the tiny bundle, with other decision parameters if given."""
    manifest = tiny_manifest()
    if decision is not None:
        manifest = replace(manifest, decision=decision)
    parts = (
        Part(GRAPH_FILE, FileRole.GRAPH, tiny_step_bytes()),
        Part(CARD_FILE, FileRole.MODEL_CARD, CARD),
    )
    return write_bundle(path, manifest, parts, force=False)


def replace_graph(folder: Path, model: bytes) -> None:
    """Put other bytes in the place of a bundle's graph, with the hash to match."""
    (folder / GRAPH_FILE).write_bytes(model)
    values = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    for entry in values["files"]:
        if entry["path"] == GRAPH_FILE:
            entry["sha256"] = sha256_of(model)
    (folder / MANIFEST_NAME).write_text(json.dumps(values), encoding="utf-8")
