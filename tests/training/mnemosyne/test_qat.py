"""Closed-loop quantization-aware training: the loss, the tracks, whole runs and their resuming, the command line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from crystaledge.cli.main import main
from crystaledge.errors import DataError, OutputExistsError
from crystaledge.jsonio import loads
from crystaledge.sources.identities import Catalogue, read_catalogue
from crystaledge.system import System
from crystaledge_training.checkpoint import read_checkpoint, write_checkpoint
from crystaledge_training.commands import train_mnemosyne as command
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.mnemosyne.config import QualityGate
from crystaledge_training.mnemosyne.qat import ARTIFACT, QatRequest, QatResult, train_int8
from crystaledge_training.mnemosyne.qat_config import QatConfig
from crystaledge_training.mnemosyne.qat_loss import distance, distance_to_goal
from crystaledge_training.mnemosyne.qat_module import QatModule
from crystaledge_training.mnemosyne.qat_student import agreement, make_student, repeated_rows
from crystaledge_training.mnemosyne.qat_tracks import EpochOfTracks, TrackBatch, TrackConfig, with_mirrors
from crystaledge_training.mnemosyne.step import Step
from crystaledge_training.quantization.artifact import ClosedLoopValidation, TrainedInt8Record
from crystaledge_training.quantization.fake_quant import activation_ranges
from crystaledge_training.quantization.rounding import unrounded
from crystaledge_training.run_folder import RUN
from crystaledge_training.trainer import LAST
from tests.training.builders import TINY_SPEC, draw_people, numbered_store, sample_record, scene_store, tiny_network
from tests.training.mnemosyne.test_train import assert_same_tensors, tensors_of
from tests.training.quantization.builders import set_range

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.. is deprecated"),
    pytest.mark.filterwarnings("ignore:Your `IterableDataset` has `__len__` defined"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]

CONFIG = QatConfig(
    tracks=TrackConfig(tracks=6, images=2, unrolled=5, longest_warm_up=6),
    epochs=3,
    batches=4,
    warm_up_batches=2,
    learning_rate=2e-3,
    validation_steps=12,
    held_out=0.3,
    seed=1,
)


@pytest.fixture(scope="module")
def store() -> FrameStore:
    return scene_store([3] * 6)


def module_of(store: FrameStore, config: QatConfig = CONFIG, *, gate: QualityGate = QualityGate.UPDATE) -> QatModule:
    module = QatModule(config, tiny_network(gate=gate), TINY_SPEC, training=store, validation=store)
    module.on_train_epoch_start()
    return module


def first_batch(store: FrameStore, config: QatConfig = CONFIG) -> TrackBatch:
    return next(iter(EpochOfTracks(store, config.tracks, batches=1, seed=0, epoch=0)))


def loss_of(module: QatModule, batch: TrackBatch) -> torch.Tensor:
    known, own = module._warm_states(batch)
    return module._unrolled(batch, known, own).total


class TestStudent:
    @pytest.mark.parametrize("gate", list(QualityGate))
    def test_with_rounding_off_is_the_teacher(self, store: FrameStore, gate: QualityGate) -> None:
        module = module_of(store, gate=gate)
        batch = first_batch(store)
        with unrounded(module.student):
            module.on_train_epoch_start()  # warm-ups encode once an epoch
            assert float(loss_of(module, batch).detach()) < 1e-5
        module.on_train_epoch_start()
        assert float(loss_of(module, batch).detach()) > 1e-3

    def test_quality_and_cell_read_one_encoding_unless_the_gate_lies_between(self, store: FrameStore) -> None:
        for gate, shared in ((QualityGate.UPDATE, True), (QualityGate.INPUT, False)):
            student = make_student(tiny_network(gate=gate), store, TINY_SPEC, seed=0)
            ranges = activation_ranges(student)
            assert (ranges["range.quality.weight"] is ranges["range.cell.weight_ih"]) is shared

    def test_ranges_reach_as_far_as_the_float_network_does(self, store: FrameStore) -> None:
        student = make_student(tiny_network(), store, TINY_SPEC, seed=0)
        ends = {name: float(held.amax.detach()) for name, held in activation_ranges(student).items()}
        assert ends["range.encoder.stem.0.weight"] == pytest.approx(2.0, abs=0.1)  # normalised pixels
        assert 0.0 < ends["range.cell.weight_hh"] <= 1.02  # a GRU's state lies in (-1, 1)

    def test_a_state_cut_off_at_its_range_is_seen_by_the_loss(self, store: FrameStore) -> None:
        module, batch = module_of(store), first_batch(store)
        before = float(loss_of(module, batch).detach())
        set_range(activation_ranges(module.student)["range.cell.weight_hh"], 0.02)
        assert float(loss_of(module, batch).detach()) > 2 * before


class TestLoss:
    def test_is_the_mean_distance_and_the_tail_and_the_heads(self, store: FrameStore) -> None:
        torch.manual_seed(0)
        network = tiny_network()
        found, expected = (network(torch.randn(6, 3, 32, 32), torch.rand(6, 8)) for _ in range(2))
        first, second = (Step(*(t.unflatten(0, (2, 3)) for t in side)) for side in (found, expected))
        loss = distance(first, second, replace(CONFIG, tail_weight=2.0, heads_weight=3.0))
        a, b = (s.hidden.detach().numpy() for s in (found, expected))
        apart = np.linalg.norm(
            a / np.linalg.norm(a, axis=1, keepdims=True) - b / np.linalg.norm(b, axis=1, keepdims=True), axis=1
        )
        heads = ((np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1) - 1) ** 2).mean()
        for name in ("velocity", "log_variance", "quality"):
            heads += float((getattr(found, name) - getattr(expected, name)).square().mean().detach())
        tail = np.sqrt((apart**2).mean())
        assert float(loss.total.detach()) == pytest.approx(apart.mean() + 2 * tail + 3 * heads, rel=1e-3)

    def test_gradients_of_two_equal_rollouts_are_finite(self, store: FrameStore) -> None:
        module, batch = module_of(store), first_batch(store)
        with unrounded(module.student):
            torch.autograd.backward(loss_of(module, batch))
        assert all(p.grad is None or p.grad.isfinite().all() for p in module.student.parameters())

    def test_every_weight_and_range_learns(self, store: FrameStore) -> None:
        module = module_of(store)
        torch.autograd.backward(loss_of(module, first_batch(store)))
        idle = [n for n, p in module.student.named_parameters() if p.grad is None or not p.grad.any()]
        assert idle == []

    def test_the_goal_is_reached_at_one_by_the_mean_and_by_the_tail(self) -> None:
        assert distance_to_goal(torch.full((3, 200), 0.999)) == pytest.approx(1.0, rel=1e-3)
        tail = torch.ones(2, 200)
        tail[0, :4] = 0.98  # beyond the 1st percentile at one step of two
        assert distance_to_goal(tail) == pytest.approx(0.5 * 0.02 / 0.005, rel=1e-3)

    def test_agreement_is_the_cosine_by_step_and_sequence(self) -> None:
        a, b = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]]), torch.tensor([[[2.0, 0.0], [0.0, 3.0]]])
        torch.testing.assert_close(agreement(a, b), torch.tensor([[1.0, 0.5**0.5]]))


class TestTracks:
    CONFIG = TrackConfig(tracks=10, images=3, unrolled=7, longest_warm_up=20, warm_share=0.4)

    def batches(self, *, epoch: int = 0) -> list[TrackBatch]:
        return list(EpochOfTracks(numbered_store([1, 2, 9, 5]), self.CONFIG, batches=20, seed=3, epoch=epoch))

    def test_are_a_function_of_seed_and_epoch(self) -> None:
        for a, b in zip(self.batches(), self.batches(), strict=True):
            assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
        assert not torch.equal(self.batches()[0].rows, self.batches(epoch=1)[0].rows)

    def test_show_few_images_of_one_person_each_warm_up_included(self) -> None:
        store = numbered_store([1, 2, 9, 5])
        for batch in self.batches():
            assert batch.rows.shape == (7, 10)
            assert batch.warm_rows.shape[1] == 4
            assert 1 <= len(batch.warm_rows) < 20
            for column, rows in enumerate(batch.rows.T):
                seen = torch.cat([rows, batch.warm_rows[:, column]]) if column < 4 else rows
                assert len(set(seen.tolist())) <= 3
                assert len(set(store.person[seen.numpy()].tolist())) == 1

    def test_frames_are_those_of_the_rows_each_once(self) -> None:
        for batch in self.batches():
            value = batch.frames[:, 0, 0, 0].long()  # a frame's value is its row number
            assert torch.equal(value[batch.place], batch.rows)
            assert len(set(value.tolist())) == len(value)

    def test_a_mirrored_face_is_another_person(self, store: FrameStore) -> None:
        both = with_mirrors(store)
        assert len(both.names) == 2 * len(store.names)
        np.testing.assert_array_equal(both.pixels[len(store.pixels) :], np.flip(store.pixels, axis=2))
        assert (both.counts == np.tile(store.counts, 2)).all()

    def test_of_validation_hold_frames_of_one_person_each(self) -> None:
        uneven = numbered_store([1, 2, 9])
        rows = repeated_rows(uneven, 50, seed=0)
        assert rows.shape == (3, 50)
        for person, row in enumerate(rows):
            assert set(row.tolist()) == set(uneven.rows_of(person).tolist())


def test_training_lowers_the_loss(store: FrameStore) -> None:
    module, batch = module_of(store, replace(CONFIG, learning_rate=5e-4, range_learning_rate=0.05)), first_batch(store)
    for held in set(activation_ranges(module.student).values()):
        held.log_amax.data -= 0.7  # all ranges half as wide as they should be
    optimizer: Any = module.configure_optimizers()
    optimizer = optimizer["optimizer"]
    before = float(loss_of(module, batch).detach())
    for _ in range(30):
        optimizer.zero_grad()
        torch.autograd.backward(loss_of(module, batch))
        optimizer.step()
    assert float(loss_of(module, batch).detach()) < 0.7 * before


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return read_catalogue(draw_people(tmp_path_factory.mktemp("people"), [3] * 8))


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = tiny_network()
    path = tmp_path_factory.mktemp("parent") / "float.safetensors"
    write_checkpoint(path, sample_record(network), network.state_dict())
    return path


def run_of(people: Catalogue, parent: Path, out: Path, **changes: Any) -> QatRequest:
    plain = QatRequest(
        checkpoint=parent, people=people, data_description="drawn people", out=out, config=CONFIG, progress=False
    )
    return replace(plain, **changes)


def record_of(artifact: Path) -> TrainedInt8Record:
    with safe_open(artifact, framework="np") as file:
        return loads(TrainedInt8Record, file.metadata()["crystaledge"], where="it")


@pytest.fixture(scope="module")
def whole(people: Catalogue, parent: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QatResult]:
    """A run that was never stopped."""
    yield train_int8(run_of(people, parent, tmp_path_factory.mktemp("whole")))


class TestRun:
    def test_says_where_the_artifact_comes_from(self, whole: QatResult, parent: Path) -> None:
        record = record_of(whole.artifact)
        assert whole.artifact.name == ARTIFACT
        assert (record.system, record.data, record.epochs) == (System.MNEMOSYNE, "drawn people", 3)
        assert record.parent_sha256 == read_checkpoint(parent).sha256
        assert record.validation == whole.validation
        assert (record.validation.sequences, record.validation.steps) == (4, 12)  # two people held out, and mirrored
        low, mean = record.validation.cosine_first_percentile, record.validation.cosine_mean
        assert 0.5 < record.validation.cosine_least <= low <= mean < 1.0

    def test_the_artifact_holds_the_weights_that_were_validated(
        self, whole: QatResult, people: Catalogue, parent: Path
    ) -> None:
        tensors = load_file(whole.artifact)
        weights = {n for n in tensors if "weight" in n and "range." not in n}
        assert {n for n in tensors if n.startswith("range.")} == {f"range.{n}" for n in weights}
        assert tensors["range.quality.weight"] == tensors["range.cell.weight_ih"]
        assert tensors["encoder.blocks.0.depthwise.0.weight"].shape == (16, 1, 3, 3)

    @pytest.mark.parametrize("stops", [(1,), (2,), (1, 2)], ids=str)
    def test_taken_up_again_ends_with_the_same_bytes(
        self, people: Catalogue, parent: Path, whole: QatResult, tmp_path: Path, stops: tuple[int, ...]
    ) -> None:
        for stop in stops:
            stopped = train_int8(run_of(people, parent, tmp_path, stop_after=stop))
            assert stopped.epochs_done == stop
            assert record_of(stopped.artifact).epochs == stop
        resumed = train_int8(run_of(people, parent, tmp_path))
        assert resumed.artifact.read_bytes() == whole.artifact.read_bytes()
        assert_same_tensors(tensors_of(tmp_path / LAST), tensors_of(whole.artifact.parent / LAST))
        assert (resumed.best_epoch, resumed.epochs_done) == (whole.best_epoch, 3)

    def test_that_is_finished_is_not_trained_further(self, people: Catalogue, parent: Path, whole: QatResult) -> None:
        before = whole.artifact.read_bytes()
        again = train_int8(run_of(people, parent, whole.artifact.parent))
        assert again.artifact.read_bytes() == before
        assert again.epochs_done == 3

    def test_another_seed_gives_another_artifact(
        self, people: Catalogue, parent: Path, whole: QatResult, tmp_path: Path
    ) -> None:
        other = train_int8(run_of(people, parent, tmp_path, config=replace(CONFIG, seed=2)))
        assert other.artifact.read_bytes() != whole.artifact.read_bytes()

    def test_folder_of_another_run_is_refused(
        self, people: Catalogue, parent: Path, whole: QatResult, tmp_path: Path
    ) -> None:
        network = tiny_network(seed=5)
        other = tmp_path / "other.safetensors"
        write_checkpoint(other, sample_record(network), network.state_dict())
        out = whole.artifact.parent
        before = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()}
        fewer = Catalogue(people.root, people.identities[:-1])
        for request in (
            run_of(people, parent, out, config=replace(CONFIG, seed=2)),
            run_of(people, other, out),
            run_of(fewer, parent, out),
        ):
            with pytest.raises(DataError, match="holds another run"):
                train_int8(request)
        assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == before

    def test_force_starts_again_but_never_deletes_what_it_reads(
        self, people: Catalogue, parent: Path, whole: QatResult, tmp_path: Path
    ) -> None:
        (tmp_path / "holiday.txt").write_text("sun")
        with pytest.raises(OutputExistsError):
            train_int8(run_of(people, parent, tmp_path, force=True))  # not a run's folder
        inside = tmp_path / "inside"
        inside.mkdir()
        (inside / RUN).write_text("{}")
        (inside / "float.safetensors").write_bytes(parent.read_bytes())
        with pytest.raises(DataError, match="would delete"):
            train_int8(run_of(people, inside / "float.safetensors", inside, force=True))
        (inside / "float.safetensors").unlink()
        forced = train_int8(run_of(people, parent, inside, force=True))
        assert forced.artifact.read_bytes() == whole.artifact.read_bytes()

    def test_is_not_begun_without_people_or_with_a_broken_checkpoint(
        self, people: Catalogue, parent: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(DataError, match="cannot be split"):
            train_int8(run_of(Catalogue(people.root, people.identities[:3]), parent, tmp_path / "a"))
        (tmp_path / "broken").write_text("no weights")
        with pytest.raises(DataError, match="Cannot read the checkpoint"):
            train_int8(run_of(people, tmp_path / "broken", tmp_path / "b"))
        assert not (tmp_path / "a").exists()
        assert not (tmp_path / "b").exists()

    def test_says_a_line_an_epoch(self, people: Catalogue, parent: Path, tmp_path: Path) -> None:
        lines: list[str] = []
        train_int8(run_of(people, parent, tmp_path, stop_after=2, say=lines.append))
        assert [line.split(":")[0] for line in lines] == ["epoch 1", "epoch 2"]


class TestCommandLine:
    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            pytest.param(["--checkpoint", "x"], "--qat", id="checkpoint without qat"),
            pytest.param(["--qat", "--hidden", "8"], "--hidden", id="sizes with qat"),
            pytest.param(["--keep-float", "cell"], "--qat", id="kept in float without qat"),
            pytest.param(["--faces", "x"], "--faces", id="what detectors paste"),
            pytest.param(["--qat", "--checkpoint", "nowhere"], "nowhere", id="no such checkpoint"),
        ],
    )
    def test_what_cannot_be_is_refused_in_one_line(
        self, people: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
    ) -> None:
        given = ["train", "mnemosyne", "--data", str(people.root), "--out", str(tmp_path / "run"), *arguments]
        assert main(given) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert word in said.err.splitlines()[-1]
        assert "Traceback" not in said.err
        assert not (tmp_path / "run").exists()

    def test_hands_its_options_to_the_trainer(
        self, people: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        asked: list[QatRequest] = []

        def remember(request: QatRequest) -> QatResult:
            asked.append(request)
            found = ClosedLoopValidation(
                sequences=4, steps=8, cosine_mean=0.9994, cosine_first_percentile=0.996, cosine_least=0.9
            )
            return QatResult(request.out / ARTIFACT, 1, 2, found, 60.0)

        monkeypatch.setattr(command, "train_int8", remember)
        given = ["train", "mnemosyne", "--qat", "--data", str(people.root), "--out", str(tmp_path / "run")]
        assert main([*given, "--epochs", "7", "--seed", "3", "--stop-after", "2", "--threads", "1"]) == 0
        (request,) = asked
        assert (request.config.epochs, request.config.seed, request.stop_after) == (7, 3, 2)
        assert request.checkpoint.name == "mnemosyne.safetensors"
        assert "identity cosine 0.99940, 1st percentile 0.99600" in capsys.readouterr().out
