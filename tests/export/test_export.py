"""From a checkpoint to a bundle: what is in it, that it runs as torch does for a long time, and that it is whole."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.engine.select import open_engine
from crystaledge.errors import DataError, OutputExistsError
from crystaledge.manifest.model import MANIFEST_NAME, FileRole, Precision
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.system import System
from crystaledge_calibration.golden import golden_file
from crystaledge_export import export
from crystaledge_export.errors import GuardError
from crystaledge_export.export import GOLDEN_BATCH, GOLDEN_STEPS, Exported, TrainedFile, export_checkpoint
from crystaledge_export.guards import ROLLOUT_STEPS, TOLERANCE
from crystaledge_training.checkpoint import Checkpoint, read_checkpoint
from crystaledge_training.weights import embedded_checkpoint, embedded_trained
from tests.export.builders import changed, off_by

Array = NDArray[np.float32]
EXPORT = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from crystaledge_export.export import export_checkpoint
from crystaledge_training.checkpoint import read_checkpoint
export_checkpoint(read_checkpoint(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def golden_of(bundle: Bundle) -> dict[str, Any]:
    with np.load(io.BytesIO(bundle.contents[golden_file(bundle.graph())]), allow_pickle=False) as archive:
        return dict(archive)


class TestBundle:
    def test_opens_and_holds_these_files(self, exported: Exported) -> None:
        bundle = Bundle.open(exported.bundle.path)
        roles = {entry.path: entry.role for entry in bundle.manifest.files}
        assert roles == {
            "graphs/step.float32.onnx": FileRole.GRAPH,
            "golden/step.npz": FileRole.GOLDEN,
            "MODEL_CARD.md": FileRole.MODEL_CARD,
        }
        assert set(files_of(bundle.path)) == {*roles, "manifest.json"}

    def test_manifest_says_what_the_checkpoint_said(self, exported: Exported, checkpoint: Checkpoint) -> None:
        manifest, record = exported.bundle.manifest, checkpoint.record
        assert manifest.system is System.MNEMOSYNE
        assert (manifest.preprocessing, manifest.decision) == (record.preprocessing, record.decision)
        assert manifest.provenance.checkpoint_sha256 == checkpoint.sha256
        assert manifest.provenance.data == record.provenance.data
        assert manifest.provenance.outside_data == record.provenance.outside_data
        assert manifest.licence == record.provenance.licence
        assert "consent" in manifest.intended_use
        assert manifest.latency == ()

    def test_manifest_says_what_the_graph_is(self, exported: Exported) -> None:
        graph = exported.bundle.graph()
        model = onnx.load_from_string(exported.bundle.graph_bytes(graph))
        assert (graph.opset, graph.ir_version) == (model.opset_import[0].version, model.ir_version)
        assert graph.precision is Precision.FLOAT32
        assert [s.name for s in graph.inputs] == [v.name for v in model.graph.input]
        assert [s.name for s in graph.outputs] == [v.name for v in model.graph.output]
        (pair,) = graph.states
        assert (pair.input, pair.output, pair.shape, pair.initial) == ("hidden", "hidden_next", (64,), 0.0)
        assert (graph.batch.min, graph.batch.max) == (1, 64)

    def test_parity_was_measured_at_batch_1_2_and_the_largest(self, exported: Exported) -> None:
        (parity,) = exported.bundle.manifest.parity
        assert parity == exported.first.parity
        assert (parity.steps, parity.batches, parity.tolerance) == (ROLLOUT_STEPS, (1, 2, 64), TOLERANCE)
        assert 0.0 < parity.max_abs_error < 5e-6

    def test_another_process_makes_the_same_bytes(
        self, exported: Exported, checkpoint_path: Path, tmp_path: Path
    ) -> None:
        # Elsewhere, with another order of hashing: every file of the bundle.
        environment = os.environ | {"PYTHONHASHSEED": "12345", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", EXPORT, str(checkpoint_path), "again.bundle"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert files_of(tmp_path / "again.bundle") == files_of(exported.bundle.path)


class TestGolden:
    def test_frames_are_drawn_and_small(self, exported: Exported) -> None:
        frames = golden_of(exported.bundle)["frames"]
        assert frames.dtype == np.uint8
        assert frames.shape == (GOLDEN_STEPS, GOLDEN_BATCH, 64, 64, 3)
        assert len(exported.bundle.contents[golden_file(exported.bundle.graph())]) < 500_000

    def test_the_runtime_reproduces_every_output_at_every_step(self, exported: Exported) -> None:
        # Only what a device has: the bundle's folder, numpy and an engine. One row at a time and both at once.
        bundle = Bundle.open(exported.bundle.path)
        golden, graph = golden_of(bundle), bundle.graph()
        assert set(golden) == {"frames", *(f"output.{s.name}" for s in graph.outputs)}
        preprocessor = Preprocessor(bundle.manifest.preprocessing)
        for rows in ([0], [1], [0, 1]):
            engine = open_engine(bundle, graph)
            states = {p.input: np.full((len(rows), *p.shape), p.initial, np.float32) for p in graph.states}
            for t in range(GOLDEN_STEPS):
                faces = np.stack([preprocessor(golden["frames"][t, row], ColorOrder.RGB) for row in rows])
                outputs = engine.run({"face": faces, **states})
                for spec in graph.outputs:
                    expected = golden[f"output.{spec.name}"][t, rows]
                    np.testing.assert_allclose(outputs[spec.name], expected, rtol=0.0, atol=1e-5, err_msg=f"step {t}")
                states = {p.input: outputs[p.output] for p in graph.states}

    def test_outputs_do_change_from_step_to_step(self, exported: Exported) -> None:
        golden = golden_of(exported.bundle)
        for spec in exported.bundle.graph().outputs:
            values = golden[f"output.{spec.name}"]
            assert values.shape == (GOLDEN_STEPS, GOLDEN_BATCH, *spec.row_shape)
            assert np.abs(np.diff(values, axis=0)).max() > 1e-3


def test_a_thousand_steps_of_the_runtime_stay_with_torch(exported: Exported) -> None:
    # Closed loop on both sides: each feeds its own state back, and nothing is ever corrected.
    bundle, module = exported.bundle, exported.first.description.module
    faces = exported.first.description.example(50, 2)["face"]
    engine = open_engine(bundle, bundle.graph())
    deployed, reference = np.zeros((2, 64), np.float32), torch.zeros(2, 64)
    worst = 0.0
    for t in range(1000):
        face = faces[t % 50]
        deployed = engine.run({"face": face, "hidden": deployed})["hidden_next"]
        with torch.no_grad():
            reference = module(torch.from_numpy(face), reference)[0]
        worst = max(worst, float(np.abs(deployed - reference.numpy()).max()))
    assert worst <= 1e-4
    assert float(reference.abs().max()) > 0.1  # the state is alive to the end


class TestRefuses:
    @pytest.fixture
    def fast(self, exported: Exported, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """The exporter's answer at once, so that what comes after it can be tried often."""
        bundle = exported.bundle
        model = onnx.load_from_string(bundle.graph_bytes(bundle.graph()))
        monkeypatch.setattr(export, "onnx_from_step", lambda description: model)
        yield

    def test_an_output_that_exists_before_anything_else(
        self, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "a.bundle"
        out.mkdir()
        (out / "holiday.txt").write_text("sun")

        def not_now(description: object) -> None:
            pytest.fail("exported before the output was looked at")

        monkeypatch.setattr(export, "onnx_from_step", not_now)
        with pytest.raises(OutputExistsError, match=r"a\.bundle exists already"):
            export_checkpoint(checkpoint, out)
        assert files_of(tmp_path) == {"a.bundle/holiday.txt": b"sun"}

    def test_a_checkpoint_without_decision_parameters(self, checkpoint: Checkpoint, tmp_path: Path) -> None:
        undecided = replace(checkpoint, record=replace(checkpoint.record, decision=None))
        with pytest.raises(DataError, match="carries no decision parameters"):
            export_checkpoint(undecided, tmp_path / "a.bundle")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("existing", [False, True])
    def test_a_graph_that_disagrees_and_leaves_nothing_behind(
        self,
        exported: Exported,
        checkpoint: Checkpoint,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        existing: bool,
    ) -> None:
        bundle = exported.bundle
        model = onnx.load_from_string(bundle.graph_bytes(bundle.graph()))
        monkeypatch.setattr(export, "onnx_from_step", lambda d: changed(model, *off_by("velocity", 1e-3)))
        out = tmp_path / "out" / "a.bundle"
        if existing:
            out.mkdir(parents=True)
            (out / "manifest.json").write_text("old")
        with pytest.raises(GuardError, match="'velocity' differs from torch"):
            export_checkpoint(checkpoint, out, force=existing)
        assert files_of(tmp_path) == ({"out/a.bundle/manifest.json": b"old"} if existing else {})

    def test_weights_that_are_not_numbers(self, checkpoint: Checkpoint, tmp_path: Path) -> None:
        weights = dict(checkpoint.weights)
        weights["convergence.bias"] = torch.full_like(weights["convergence.bias"], float("nan"))
        with pytest.raises(DataError, match=r"'convergence\.bias' holds values that are not finite"):
            export_checkpoint(replace(checkpoint, weights=weights), tmp_path / "a.bundle")
        assert not list(tmp_path.iterdir())

    def test_to_replace_what_no_export_wrote_even_by_force(self, checkpoint: Checkpoint, tmp_path: Path) -> None:
        (tmp_path / "a.bundle").mkdir()
        (tmp_path / "a.bundle" / "holiday.txt").write_text("sun")
        with pytest.raises(OutputExistsError, match=r"no manifest\.json"):
            export_checkpoint(checkpoint, tmp_path / "a.bundle", force=True)
        assert files_of(tmp_path) == {"a.bundle/holiday.txt": b"sun"}

    @pytest.mark.usefixtures("fast")
    def test_nothing_that_force_allows(self, checkpoint: Checkpoint, exported: Exported, tmp_path: Path) -> None:
        out = tmp_path / "a.bundle"
        out.mkdir()
        (out / "manifest.json").write_text("old")
        (out / MANIFEST_NAME).write_text("old")
        export_checkpoint(checkpoint, out, force=True)
        assert files_of(out) == files_of(exported.bundle.path)
        assert [p.name for p in tmp_path.iterdir()] == ["a.bundle"]

    @pytest.mark.usefixtures("fast")
    @pytest.mark.parametrize("written", [0, 1, 2])
    def test_an_export_that_is_interrupted_leaves_the_old_bundle(
        self, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
    ) -> None:
        out = tmp_path / "a.bundle"
        export_checkpoint(checkpoint, out)
        before = files_of(tmp_path)
        newer = replace(checkpoint, sha256="0" * 64)
        left = [written]
        original = Path.write_bytes

        def write_bytes(self: Path, data: bytes) -> int:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return original(self, data)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "write_bytes", write_bytes)
            with pytest.raises(KeyboardInterrupt):
                export_checkpoint(newer, out, force=True)
        assert files_of(tmp_path) == before
        assert Bundle.open(out).manifest.provenance.checkpoint_sha256 == checkpoint.sha256
        export_checkpoint(newer, out, force=True)  # and the next one goes through
        assert Bundle.open(out).manifest.provenance.checkpoint_sha256 == "0" * 64


def test_what_was_trained_for_int8_travels_along_and_the_card_says_so(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(embedded_checkpoint(System.MNEMOSYNE))
    path = embedded_trained(System.MNEMOSYNE)
    assert path is not None
    trained = TrainedFile(path.read_bytes(), str(path))
    bundle = export_checkpoint(checkpoint, tmp_path / "m.bundle", trained=trained).bundle
    (entry,) = [file for file in bundle.manifest.files if file.role is FileRole.TRAINED]
    assert bundle.contents[entry.path] == trained.data
    assert "- INT8: weights and ranges trained in closed loop" in bundle.contents["MODEL_CARD.md"].decode()


def test_what_was_trained_to_follow_another_checkpoint_is_refused(tmp_path: Path, checkpoint: Checkpoint) -> None:
    path = embedded_trained(System.MNEMOSYNE)
    assert path is not None
    with pytest.raises(DataError, match="was trained to follow another checkpoint; export that one"):
        export_checkpoint(checkpoint, tmp_path / "m.bundle", trained=TrainedFile(path.read_bytes(), "it"))
    assert not (tmp_path / "m.bundle").exists()
