"""Whole runs of Phantom on drawn faces: stopping and going on ends where an uninterrupted run ends, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crystaledge.detection.spec import DetectionDecision
from crystaledge.errors import DataError
from crystaledge.system import System
from crystaledge_training.checkpoint import Checkpoint, read_checkpoint
from crystaledge_training.data.annotations import AnnotatedSet, Split, read_annotations
from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO
from crystaledge_training.phantom.load import phantom_from_checkpoint
from crystaledge_training.phantom.train import PhantomTrainResult, train
from crystaledge_training.phantom.train_config import PhantomTrainConfig
from crystaledge_training.phantom.train_detector import DETECTOR, PhantomData, PhantomTrainRequest, picture_sources
from crystaledge_training.run_folder import RUN
from crystaledge_training.trainer import LAST
from tests.training.phantom.builders import TINY, draw_backgrounds, draw_crops, draw_photographs, plain_files

pytestmark = [
    # Lightning's own: a deprecated call of torch, and advice about cases that are not ours.
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.. is deprecated"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
    # Ours, and to go with the expected failure of `test_the_track_cells_batch_norms_have_seen_data`.
    pytest.mark.filterwarnings("ignore:Found 14 module.s. in eval mode at the start of training"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PhantomData:
    folder = tmp_path_factory.mktemp("data")
    photographs = draw_photographs(folder / "photographs")
    return PhantomData(
        training=read_annotations(photographs, split=Split.TRAIN),
        validation=read_annotations(photographs, split=Split.VALIDATION),
        faces=draw_crops(folder / "faces"),
        backgrounds=plain_files(draw_backgrounds(folder / "backgrounds")),
        people=2,
    )


def run_of(
    data: PhantomData,
    out: Path,
    *,
    config: PhantomTrainConfig = TINY,
    stop_after: int | None = None,
    force: bool = False,
    lines: list[str] | None = None,
) -> PhantomTrainRequest:
    return PhantomTrainRequest(
        data=data,
        data_licence="none",
        out=out,
        config=config,
        stop_after=stop_after,
        progress=False,
        force=force,
        say=(lines if lines is not None else []).append,
    )


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """What the uninterrupted run said."""
    return []


@pytest.fixture(scope="module")
def whole(data: PhantomData, tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> PhantomTrainResult:
    """A run that was never stopped."""
    return train(run_of(data, tmp_path_factory.mktemp("runs") / "whole", lines=lines))


@pytest.fixture(scope="module")
def checkpoint(whole: PhantomTrainResult) -> Checkpoint:
    assert whole.checkpoint is not None
    return read_checkpoint(whole.checkpoint)


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


class TestResume:
    def test_after_an_epoch_ends_with_the_same_weights(
        self, data: PhantomData, whole: PhantomTrainResult, checkpoint: Checkpoint, tmp_path: Path
    ) -> None:
        first = train(run_of(data, tmp_path, stop_after=1))
        assert (first.checkpoint, first.epochs_done) == (None, 1)
        io = SafetensorsCheckpointIO()
        kept, last = io.load_checkpoint(tmp_path / DETECTOR)["detector"], io.load_checkpoint(tmp_path / LAST)
        for name, tensor in kept.items():  # what is kept is the average, not the network that moves
            assert torch.equal(tensor, last["state_dict"][f"averaged.module.{name}"]), name
        assert not torch.equal(kept["stem.0.weight"], last["state_dict"]["network.stem.0.weight"])
        second = train(run_of(data, tmp_path))
        assert second.checkpoint is not None
        found = read_checkpoint(second.checkpoint)
        assert_same(found.weights, checkpoint.weights)
        assert found.record.validation == checkpoint.record.validation
        assert found.record.decision == checkpoint.record.decision
        assert (second.best_epoch, second.validation_ap50) == (whole.best_epoch, whole.validation_ap50)

    def test_after_the_detector_is_done_ends_with_the_same_weights(
        self, data: PhantomData, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr("crystaledge_training.phantom.train.train_track", _killed)
            with pytest.raises(KeyboardInterrupt):
                train(run_of(data, tmp_path))
        torch.rand(1)  # another process is somewhere else in its random numbers
        result = train(run_of(data, tmp_path))
        assert result.checkpoint is not None
        assert_same(read_checkpoint(result.checkpoint).weights, checkpoint.weights)

    def test_of_a_finished_run_changes_nothing(
        self, data: PhantomData, whole: PhantomTrainResult, checkpoint: Checkpoint
    ) -> None:
        assert whole.checkpoint is not None
        again = train(run_of(data, whole.checkpoint.parent))
        assert again.best_epoch == whole.best_epoch
        assert_same(read_checkpoint(whole.checkpoint).weights, checkpoint.weights)


def _killed(*arguments: object) -> float:
    raise KeyboardInterrupt


class TestRefuses:
    def test_another_configuration_or_other_data(self, data: PhantomData, whole: PhantomTrainResult) -> None:
        assert whole.checkpoint is not None
        out = whole.checkpoint.parent
        before = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()}
        fewer = replace(data, training=AnnotatedSet(data.training.root, data.training.images[1:], "fewer"))
        for request in (
            run_of(data, out, config=replace(TINY, seed=6)),
            run_of(data, out, config=replace(TINY, learning_rate=1e-3)),
            run_of(fewer, out),
            run_of(replace(data, faces=data.faces[1:]), out),
        ):
            with pytest.raises(DataError, match="holds another run"):
                train(request)
        assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == before

    def test_to_delete_what_it_reads(self, tmp_path: Path) -> None:
        photographs = draw_photographs(tmp_path / "run" / "photographs")
        (tmp_path / "run" / RUN).write_text("{}")
        annotated = [read_annotations(photographs, split=split) for split in Split]
        with pytest.raises(DataError, match="would delete"):
            train(run_of(PhantomData(training=annotated[0], validation=annotated[1]), tmp_path / "run", force=True))
        assert (photographs / "labels.csv").exists()

    def test_to_delete_the_faces_that_it_pastes(self, data: PhantomData, tmp_path: Path) -> None:
        (tmp_path / RUN).write_text("{}")
        inside = replace(data, faces=draw_crops(tmp_path / "faces"))
        with pytest.raises(DataError, match="would delete"):
            train(run_of(inside, tmp_path, force=True, stop_after=1))

    def test_an_image_that_cannot_be_read_before_anything_is_written(self, tmp_path: Path) -> None:
        photographs = draw_photographs(tmp_path / "photographs")
        (photographs / "images" / "5.png").write_bytes(b"no image")  # one of the validation's
        annotated = [read_annotations(photographs, split=split) for split in Split]
        with pytest.raises(DataError):
            train(run_of(PhantomData(training=annotated[0], validation=annotated[1]), tmp_path / "run"))
        assert not (tmp_path / "run").exists()

    def test_to_train_a_track_cell_on_nothing(self, data: PhantomData, tmp_path: Path) -> None:
        bare = replace(data, faces=(), backgrounds=())
        with pytest.raises(DataError, match="rendered films; give face crops"):
            train(run_of(bare, tmp_path, config=replace(TINY, epochs=1)))
        assert (tmp_path / DETECTOR).exists()  # what was trained is kept


class TestRunFolder:
    def test_holds_the_checkpoint_the_resume_files_and_the_logs(self, whole: PhantomTrainResult) -> None:
        assert whole.checkpoint is not None
        out = whole.checkpoint.parent
        assert {p.name for p in out.iterdir()} == {
            "best.safetensors",
            DETECTOR,
            LAST,
            RUN,
            "tensorboard",
            "track",
        }

    def test_has_the_detector_that_the_checkpoint_has(self, whole: PhantomTrainResult, checkpoint: Checkpoint) -> None:
        assert whole.checkpoint is not None
        io = SafetensorsCheckpointIO()
        kept = io.load_checkpoint(whole.checkpoint.with_name(DETECTOR))["detector"]
        for name, tensor in kept.items():
            assert torch.equal(checkpoint.weights[f"detector.{name}"], tensor), name

    def test_says_a_line_an_epoch(self, whole: PhantomTrainResult, lines: list[str]) -> None:
        assert [line.split(":")[0] for line in lines[:2]] == ["epoch 1 of 2", "epoch 2 of 2"]
        assert "AP50" in lines[1]
        assert any(line.startswith("track cell:") for line in lines)


class TestCheckpoint:
    def test_gives_back_a_network_in_inference_mode(self, checkpoint: Checkpoint) -> None:
        network = phantom_from_checkpoint(checkpoint)
        assert not any(part.training for part in network.modules())
        assert all(tensor.isfinite().all() for tensor in checkpoint.weights.values())

    def test_says_where_the_weights_come_from(
        self, checkpoint: Checkpoint, data: PhantomData, whole: PhantomTrainResult
    ) -> None:
        record, provenance = checkpoint.record, checkpoint.record.provenance
        assert record.system is System.PHANTOM
        assert (record.network, record.preprocessing) == (TINY.network, TINY.preprocessing)
        assert (provenance.seed, provenance.epochs, provenance.best_epoch) == (5, 2, whole.best_epoch)
        assert provenance.data == data.description
        assert "crops of faces pasted on 2 backgrounds" in provenance.data
        assert (provenance.people_trained, provenance.licence) == (2, "none")

    def test_can_decide(self, checkpoint: Checkpoint, data: PhantomData) -> None:
        decision = checkpoint.record.decision
        assert isinstance(decision, DetectionDecision)
        assert (decision.octaves, decision.smallest_face_px) == (2, 8.0)
        assert decision.calibrated_on == data.validation.description
        metrics = dict(checkpoint.record.validation)
        assert set(metrics) == {"validation/ap50", "validation/ap50_low", "validation/ap50_high", "validation/ap"}

    def test_the_track_cell_has_learnt(self, checkpoint: Checkpoint, whole: PhantomTrainResult) -> None:
        assert checkpoint.weights["track.score.bias"].abs().max() > 0  # began at zero
        assert checkpoint.weights["track.birth.bias"].abs().max() > 0

    def test_the_track_cells_batch_norms_have_seen_data(self, checkpoint: Checkpoint) -> None:
        assert checkpoint.weights["track.event1.1.num_batches_tracked"] > 0


def test_without_faces_to_paste_pictures_are_photographs_alone(data: PhantomData) -> None:
    assert len(picture_sources(data, TINY)) == 2
    assert len(picture_sources(replace(data, faces=()), TINY)) == 1
    assert "pasted" not in replace(data, faces=()).description
