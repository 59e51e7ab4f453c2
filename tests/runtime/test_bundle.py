"""Opening a bundle checks everything it promises; each test breaks one promise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import onnx
import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import BundleError, CrystalEdgeError, ManifestError
from crystaledge.files import sha256_of
from crystaledge.manifest.model import MANIFEST_NAME
from tests.support.bundles import replace_graph
from tests.support.manifests import CARD, CARD_FILE, GRAPH_FILE, changed, tiny_manifest
from tests.support.messages import message_of
from tests.support.step_graphs import tiny_step_bytes, tiny_step_model


@pytest.fixture
def folder(tiny_bundle_path: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that a test may break."""
    copy = tmp_path / "broken.bundle"
    shutil.copytree(tiny_bundle_path, copy)
    return copy


def refusal(folder: Path) -> str:
    """The one line that opening this bundle is refused with."""
    with pytest.raises(BundleError) as raised:
        Bundle.open(folder)
    return message_of(raised)


def test_a_sound_bundle_opens_with_its_verified_contents(tiny_bundle_path: Path) -> None:
    bundle = Bundle.open(tiny_bundle_path)
    assert bundle.manifest == tiny_manifest()
    assert bundle.contents == {GRAPH_FILE: tiny_step_bytes(), CARD_FILE: CARD}
    assert bundle.graph_bytes(bundle.graph()) == tiny_step_bytes()


def test_a_path_may_be_text(tiny_bundle_path: Path) -> None:
    assert Bundle.open(str(tiny_bundle_path)).manifest == tiny_manifest()


def test_an_exported_bundle_opens(bundle_path: Path) -> None:
    bundle = Bundle.open(bundle_path)
    assert {entry.path: entry.sha256 for entry in bundle.manifest.files} == {
        name: sha256_of(data) for name, data in bundle.contents.items()
    }


def test_graphs_are_found_by_name(tiny_bundle_path: Path) -> None:
    bundle = Bundle.open(tiny_bundle_path)
    assert bundle.graph("step") is bundle.graph() is bundle.manifest.graphs[0]
    with pytest.raises(BundleError, match="has no graph 'leap'; it has step"):
        bundle.graph("leap")


def test_what_was_hashed_is_what_is_used(folder: Path) -> None:
    bundle = Bundle.open(folder)
    (folder / GRAPH_FILE).write_bytes(b"changed after opening")
    assert bundle.graph_bytes(bundle.graph()) == tiny_step_bytes()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "has no readable manifest.json (No such file or directory)" in refusal(tmp_path / "nowhere")


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "has no readable manifest.json" in refusal(tmp_path / "file")


def test_a_missing_file(folder: Path) -> None:
    (folder / CARD_FILE).unlink()
    assert f"has no readable {CARD_FILE}" in refusal(folder)


def test_a_folder_in_the_place_of_a_file(folder: Path) -> None:
    (folder / CARD_FILE).unlink()
    (folder / CARD_FILE).mkdir()
    assert f"has no readable {CARD_FILE}" in refusal(folder)


@pytest.mark.parametrize("position", [pytest.param(0, id="first-byte"), pytest.param(-1, id="last-byte")])
@pytest.mark.parametrize("name", [GRAPH_FILE, CARD_FILE])
def test_one_flipped_bit(folder: Path, name: str, position: int) -> None:
    data = bytearray((folder / name).read_bytes())
    data[position] ^= 1
    (folder / name).write_bytes(data)
    assert "has changed since the bundle was made" in refusal(folder)


def test_a_link_that_leads_out_of_the_bundle(folder: Path, tmp_path: Path) -> None:
    # The same bytes, so that only the place is wrong.
    outside = tmp_path / "outside.onnx"
    shutil.move(folder / GRAPH_FILE, outside)
    (folder / GRAPH_FILE).symlink_to(outside)
    assert "leads outside of it" in refusal(folder)


def test_a_linked_folder_that_leads_out_of_the_bundle(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "graphs", tmp_path / "graphs")
    (folder / "graphs").symlink_to(tmp_path / "graphs")
    assert "leads outside of it" in refusal(folder)


def test_a_link_within_the_bundle_is_no_escape(folder: Path) -> None:
    shutil.move(folder / GRAPH_FILE, folder / "step.onnx")
    (folder / GRAPH_FILE).symlink_to(folder / "step.onnx")
    assert Bundle.open(folder).contents[GRAPH_FILE] == tiny_step_bytes()


def test_a_bundle_may_itself_be_reached_by_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert Bundle.open(tmp_path / "link").manifest == tiny_manifest()


def test_a_link_to_itself(folder: Path) -> None:
    (folder / GRAPH_FILE).unlink()
    (folder / GRAPH_FILE).symlink_to(folder / GRAPH_FILE)
    assert GRAPH_FILE in refusal(folder)


def test_external_data_under_a_true_hash(folder: Path, tmp_path: Path) -> None:
    saved = tmp_path / "external.onnx"
    onnx.save(tiny_step_model(), saved, save_as_external_data=True, location="weights.bin", size_threshold=0)
    shutil.copy(tmp_path / "weights.bin", folder / "graphs")
    replace_graph(folder, saved.read_bytes())
    assert "keeps tensors in another file (external data)" in refusal(folder)


def test_garbage_under_a_true_hash(folder: Path) -> None:
    replace_graph(folder, b"this was never an ONNX file")
    assert "is not a readable ONNX file" in refusal(folder)


def test_a_broken_manifest_is_named_with_its_path(folder: Path) -> None:
    manifest = folder / MANIFEST_NAME
    values = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps(changed(values, ("licence",), 1)), encoding="utf-8")
    with pytest.raises(ManifestError) as raised:
        Bundle.open(folder)
    assert message_of(raised).startswith(f"{manifest}.licence is 1")


def test_a_manifest_that_is_no_text(folder: Path) -> None:
    (folder / MANIFEST_NAME).write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(CrystalEdgeError, match="is not valid JSON"):
        Bundle.open(folder)
