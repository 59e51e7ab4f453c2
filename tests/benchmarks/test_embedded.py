"""The embedded bundle is the export of the embedded weights, and neither is anything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from crystaledge.bundle import Bundle
from crystaledge.jsonio import encode
from crystaledge.manifest.model import FileRole
from crystaledge.system import System
from crystaledge_benchmarks.assets import embedded_bundle
from crystaledge_calibration.step_model import weighted_nodes
from crystaledge_calibration.trained import read_trained
from crystaledge_export.export import export_checkpoint
from crystaledge_training.checkpoint import read_checkpoint
from crystaledge_training.weights import embedded_checkpoint, embedded_trained


def initializers(bundle: Bundle) -> list[np.ndarray]:
    model = onnx.load_from_string(bundle.graph_bytes(bundle.graph()))
    return [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]


def test_embedded_bundle_is_what_the_embedded_weights_export_to(tmp_path: Path) -> None:
    # Not byte for byte: another torch may number the nodes differently. The numbers may not differ.
    checkpoint = read_checkpoint(embedded_checkpoint(System.MNEMOSYNE))
    shipped = Bundle.open(embedded_bundle(System.MNEMOSYNE))
    fresh = export_checkpoint(checkpoint, tmp_path / "fresh.bundle").bundle
    assert shipped.manifest.provenance.checkpoint_sha256 == checkpoint.sha256
    assert encode(shipped.manifest.decision) == encode(fresh.manifest.decision)
    for a, b in zip(initializers(shipped), initializers(fresh), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_was_trained_for_int8_follows_the_embedded_weights_and_is_in_the_bundle() -> None:
    path = embedded_trained(System.MNEMOSYNE)
    assert path is not None
    shipped = Bundle.open(embedded_bundle(System.MNEMOSYNE))
    (entry,) = [file for file in shipped.manifest.files if file.role is FileRole.TRAINED]
    assert shipped.contents[entry.path] == path.read_bytes()
    trained = read_trained(path.read_bytes(), where=str(path))
    assert trained.parent_sha256 == read_checkpoint(embedded_checkpoint(System.MNEMOSYNE)).sha256
    known = {node.weight for node in weighted_nodes(onnx.load_from_string(shipped.graph_bytes(shipped.graph())))}
    assert set(trained.amax) <= known


def test_embedded_weights_name_their_data_and_terms() -> None:
    record = read_checkpoint(embedded_checkpoint(System.MNEMOSYNE)).record
    assert "LFW" in record.provenance.data and "research" in record.provenance.licence
    assert record.provenance.outside_data == "none"
    card = embedded_checkpoint(System.MNEMOSYNE).with_name("mnemosyne.MODEL_CARD.md").read_text(encoding="utf-8")
    assert record.provenance.data in card and record.provenance.licence in card


def test_embedded_files_are_small() -> None:
    assert embedded_checkpoint(System.MNEMOSYNE).stat().st_size < 200_000
    total = sum(p.stat().st_size for p in embedded_bundle(System.MNEMOSYNE).rglob("*") if p.is_file())
    assert total < 1_000_000
