"""Whole runs on drawn people: stopping anywhere and going on ends where an uninterrupted run ends, bit for bit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from crystaledge.errors import DataError, OutputExistsError
from crystaledge.manifest.model import identity_decision
from crystaledge.sources.identities import Catalogue, read_catalogue, split_by_identity
from crystaledge_training.checkpoint import Checkpoint, CheckpointRecord, read_checkpoint
from crystaledge_training.data.frames import load_frames
from crystaledge_training.data.sequences import EpochOfFrames, EpochOfSequences, SequenceConfig
from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO, flatten
from crystaledge_training.mnemosyne import uncertainty
from crystaledge_training.mnemosyne.decision import calibrate_decision
from crystaledge_training.mnemosyne.load import mnemosyne_config
from crystaledge_training.mnemosyne.module import VALIDATION_METRIC, MnemosyneModule, TrainConfig
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.run import BEST, TrainResult
from crystaledge_training.mnemosyne.train import SequenceData, TrainRequest, train
from crystaledge_training.mnemosyne.uncertainty import fit_log_variance
from crystaledge_training.run_folder import RUN
from crystaledge_training.trainer import LAST
from tests.training.builders import TINY_SIZES, TINY_SPEC, draw_people

pytestmark = [
    # Lightning's own: a deprecated call of torch, and advice about cases that are not ours.
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.. is deprecated"),
    pytest.mark.filterwarnings("ignore:Your `IterableDataset` has `__len__` defined"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]

CONFIG = TrainConfig(
    network=TINY_SIZES,
    preprocessing=TINY_SPEC,
    sequences=SequenceConfig(people=3, longest=3, draws_per_person=2, loose_frames=12),
    epochs=4,
    encoder_share=0.25,
    warmup_epochs=1,
    held_out=0.4,
    seed=1,
)
"""One epoch of the encoder, three of sequences; six people to train on and four to validate with."""


@pytest.fixture(scope="module", autouse=True)
def _short_fit() -> Iterator[None]:
    """The fit after a training takes longer than these trainings, and has tests of its own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(uncertainty, "_LEARN_STEPS", 20)
        patched.setattr(uncertainty, "_CALIBRATE_STEPS", 20)
        yield


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return read_catalogue(draw_people(tmp_path_factory.mktemp("people"), [6] * 10))


def run_of(people: Catalogue, out: Path, **changes: Any) -> TrainRequest:
    plain = TrainRequest(
        people=people, data_description="drawn people", data_licence="none", out=out, config=CONFIG, progress=False
    )
    return replace(plain, **changes)


@pytest.fixture(scope="module")
def uninterrupted(people: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A run from beginning to end, with its own validation."""
    return train(run_of(people, tmp_path_factory.mktemp("uninterrupted")))


def tensors_of(path: Path) -> dict[str, Tensor]:
    """Every tensor of a resume file, by its place."""
    found: dict[str, Tensor] = {}
    flatten(SafetensorsCheckpointIO().load_checkpoint(path), found)
    return found


def scalars_of(path: Path) -> str:
    """Everything else in a resume file but the clock and the folder's name."""
    tree = flatten(SafetensorsCheckpointIO().load_checkpoint(path), {})
    text = json.dumps(tree).replace(str(path.parent), "OUT")
    clock = SafetensorsCheckpointIO().load_checkpoint(path)["callbacks"]["BestWeights"]["seconds"]
    return text.replace(json.dumps(clock), "SECONDS")


def without_clock(record: CheckpointRecord) -> CheckpointRecord:
    return replace(record, provenance=replace(record.provenance, training_seconds=0.0))


def assert_same_tensors(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert set(found) == set(expected)
    different = [n for n, t in expected.items() if found[n].dtype != t.dtype or not torch.equal(found[n], t)]
    assert different == []


def assert_same_run(found: Path, expected: Path) -> None:
    """Two run folders hold the same, but for the clock."""
    # Weights of the network and of the heads, both moments of every parameter: all that a resume takes up.
    assert_same_tensors(tensors_of(found / LAST), tensors_of(expected / LAST))
    assert scalars_of(found / LAST) == scalars_of(expected / LAST)
    first, second = read_checkpoint(found / BEST), read_checkpoint(expected / BEST)
    assert_same_tensors(first.weights, second.weights)
    assert without_clock(first.record) == without_clock(second.record)


def validation_like(*values: float) -> Callable[[MnemosyneModule, Tensor, int], None]:
    """A validation step that says this value in each epoch, so that a test decides which one is best."""

    def validation_step(self: MnemosyneModule, batch: Tensor, batch_index: int) -> None:
        self.log(VALIDATION_METRIC, values[self.current_epoch], batch_size=1)

    return validation_step


CURVES = {"rising": (0.5, 0.6, 0.7, 0.8), "peaked": (0.5, 0.8, 0.7, 0.6)}
"""The best epoch is the last one, behind every stop, or the second, before some of them."""


@pytest.fixture(scope="module", params=list(CURVES))
def whole(people: Catalogue, tmp_path_factory: pytest.TempPathFactory, request: Any) -> Iterator[TrainResult]:
    """A run that was never stopped; its validation is in force for the runs that are compared with it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(MnemosyneModule, "validation_step", validation_like(*CURVES[request.param]))
        yield train(run_of(people, tmp_path_factory.mktemp("whole")))


def stop(people: Catalogue, out: Path, epochs: int) -> None:
    """Begin or go on, and stop when so many epochs are done."""
    assert train(run_of(people, out, stop_after=epochs)).epochs_done == epochs
    assert SafetensorsCheckpointIO().load_checkpoint(out / LAST)["epoch"] == epochs - 1


class TestResume:
    @pytest.mark.parametrize("stops", [(1,), (2,), (3,), (1, 2, 3)], ids=str)
    def test_ends_with_the_same_bits(
        self, people: Catalogue, whole: TrainResult, tmp_path: Path, stops: tuple[int, ...]
    ) -> None:
        for epochs in stops:
            stop(people, tmp_path, epochs)
            torch.manual_seed(epochs)  # another process has another state of random numbers
        result = train(run_of(people, tmp_path))
        assert (result.epochs_done, result.best_epoch) == (4, whole.best_epoch)
        assert result.validation == whole.validation
        assert_same_run(tmp_path, whole.checkpoint.parent)

    @pytest.mark.usefixtures("whole")
    def test_a_stop_while_the_encoder_trains_alone_is_no_error_and_gives_no_checkpoint(
        self, people: Catalogue, tmp_path: Path
    ) -> None:
        result = train(run_of(people, tmp_path, stop_after=1))
        assert (result.epochs_done, result.best_epoch) == (1, -1)
        assert not result.checkpoint.exists()

    def test_weights_do_change_in_every_epoch(self, people: Catalogue, whole: TrainResult, tmp_path: Path) -> None:
        states = []
        for epochs in (1, 2, 3):
            stop(people, tmp_path, epochs)
            states.append(SafetensorsCheckpointIO().load_checkpoint(tmp_path / LAST)["state_dict"])
        states.append(SafetensorsCheckpointIO().load_checkpoint(whole.checkpoint.with_name(LAST))["state_dict"])
        weights = [state["network.encoder.stem.0.weight"] for state in states]
        assert len({tuple(weight.flatten().tolist()) for weight in weights}) == 4

    def test_another_seed_gives_other_weights(self, people: Catalogue, whole: TrainResult, tmp_path: Path) -> None:
        result = train(run_of(people, tmp_path, config=replace(CONFIG, seed=2)))
        found, expected = read_checkpoint(result.checkpoint).weights, read_checkpoint(whole.checkpoint).weights
        assert set(found) == set(expected)
        assert not torch.equal(found["cell.weight_hh"], expected["cell.weight_hh"])

    def test_a_resume_that_forgets_the_optimiser_is_noticed(
        self, people: Catalogue, whole: TrainResult, tmp_path: Path
    ) -> None:
        # A planted fault: the comparison of this class has to be able to fail.
        train(run_of(people, tmp_path, stop_after=2))
        io = SafetensorsCheckpointIO()
        state = io.load_checkpoint(tmp_path / LAST)
        for moments in state["optimizer_states"][0]["state"].values():
            moments["exp_avg"] = torch.zeros_like(moments["exp_avg"])
        io.save_checkpoint(state, tmp_path / LAST)
        train(run_of(people, tmp_path))
        with pytest.raises(AssertionError):
            assert_same_run(tmp_path, whole.checkpoint.parent)

    def test_a_killed_epoch_is_done_again(
        self, people: Catalogue, whole: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Killed after the best weights of the second epoch were written and before its resume file was.
        with monkeypatch.context() as patched:
            patched.setattr(ModelCheckpoint, "on_train_epoch_end", killed_at(2))
            with pytest.raises(Killed):
                train(run_of(people, tmp_path))
        assert SafetensorsCheckpointIO().load_checkpoint(tmp_path / LAST)["epoch"] == 0
        train(run_of(people, tmp_path))
        assert_same_run(tmp_path, whole.checkpoint.parent)

    def test_a_finished_run_stays_as_it_is(self, people: Catalogue, whole: TrainResult) -> None:
        before = {p.name: p.read_bytes() for p in whole.checkpoint.parent.glob("*.[rw]e*")}
        assert set(before) == {LAST, "best.weights"}
        result = train(run_of(people, whole.checkpoint.parent))
        assert (result.epochs_done, result.best_epoch) == (4, whole.best_epoch)
        assert {p.name: p.read_bytes() for p in whole.checkpoint.parent.glob("*.[rw]e*")} == before

    def test_a_stop_that_lies_behind_changes_nothing(self, people: Catalogue, whole: TrainResult) -> None:
        before = tensors_of(whole.checkpoint.with_name(LAST))
        assert train(run_of(people, whole.checkpoint.parent, stop_after=2)).epochs_done == 4
        assert_same_tensors(tensors_of(whole.checkpoint.with_name(LAST)), before)

    def test_a_damaged_resume_file_is_refused(self, people: Catalogue, whole: TrainResult, tmp_path: Path) -> None:
        out = tmp_path / "copy"
        shutil.copytree(whole.checkpoint.parent, out)
        (out / LAST).write_bytes((out / LAST).read_bytes()[:-7])
        with pytest.raises(DataError, match="Cannot resume from"):
            train(run_of(people, out))


class Killed(BaseException):
    """As a signal would."""


def killed_at(epoch: int) -> Any:
    """`on_train_epoch_end` of the checkpoint callback, killed when that epoch (from 1) ends."""
    original = ModelCheckpoint.on_train_epoch_end

    def hook(self: ModelCheckpoint, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch + 1 == epoch:
            raise Killed
        original(self, trainer, pl_module)

    return hook


@pytest.mark.parametrize("epoch", range(3))
def test_the_batches_are_those_of_the_epoch(people: Catalogue, epoch: int) -> None:
    config = replace(CONFIG, encoder_share=0.25)  # one epoch of single frames, then sequences
    store = load_frames(people, TINY_SPEC, whole=True)
    data = SequenceData(store, config)
    data.trainer = SimpleNamespace(current_epoch=epoch)  # type: ignore[assignment]
    kind = EpochOfFrames if epoch == 0 else EpochOfSequences
    expected = list(kind(store, config.sequences, seed=config.seed, epoch=epoch))
    found = list(data.train_dataloader())
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a.frames, b.frames)
        assert torch.equal(a.valid, b.valid)
        assert torch.equal(a.people, b.people)


class TestRunFolder:
    def test_holds_the_best_checkpoint_the_resume_file_and_the_logs(self, uninterrupted: TrainResult) -> None:
        out = uninterrupted.checkpoint.parent
        assert uninterrupted.checkpoint.name == BEST
        assert {BEST, LAST, RUN, "tensorboard"} <= {p.name for p in out.iterdir()}
        assert list((out / "tensorboard").glob("events.*"))
        assert not [p.name for p in out.iterdir() if p.name.startswith(".")]  # no temporary file is left

    def test_of_another_configuration_is_refused(
        self, people: Catalogue, uninterrupted: TrainResult, tmp_path: Path
    ) -> None:
        out = uninterrupted.checkpoint.parent
        before = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()}
        for config in (replace(CONFIG, seed=2), replace(CONFIG, epochs=5), replace(CONFIG, learning_rate=1e-3)):
            with pytest.raises(DataError, match="another configuration or other data"):
                train(run_of(people, out, config=config))
        assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == before

    def test_of_other_people_is_refused(self, people: Catalogue, uninterrupted: TrainResult) -> None:
        fewer = Catalogue(people.root, people.identities[:-1])
        with pytest.raises(DataError, match="another configuration or other data"):
            train(run_of(fewer, uninterrupted.checkpoint.parent))

    def test_that_holds_something_else_is_refused(self, people: Catalogue, tmp_path: Path) -> None:
        (tmp_path / "holiday.txt").write_text("sun")
        with pytest.raises(OutputExistsError):
            train(run_of(people, tmp_path))
        assert [p.name for p in tmp_path.iterdir()] == ["holiday.txt"]

    def test_is_started_again_by_force(self, people: Catalogue, uninterrupted: TrainResult, tmp_path: Path) -> None:
        out = tmp_path / "copy"
        shutil.copytree(uninterrupted.checkpoint.parent, out)
        (out / "holiday.txt").write_text("sun")
        result = train(run_of(people, out, config=replace(CONFIG, epochs=1), force=True))
        assert result.epochs_done == 1
        assert not (out / "holiday.txt").exists()

    def test_is_not_touched_by_force_where_the_data_cannot_be_used(
        self, people: Catalogue, uninterrupted: TrainResult, tmp_path: Path
    ) -> None:
        out = tmp_path / "copy"
        shutil.copytree(uninterrupted.checkpoint.parent, out)
        too_few = Catalogue(people.root, people.identities[:3])
        with pytest.raises(DataError):
            train(run_of(too_few, out, force=True))
        assert (out / BEST).read_bytes() == uninterrupted.checkpoint.read_bytes()

    @pytest.mark.parametrize("counts", [[6, 6, 6], [1] * 10], ids=["too few people", "too few images"])
    def test_is_not_made_where_the_data_cannot_be_used(self, tmp_path: Path, counts: list[int]) -> None:
        catalogue = read_catalogue(draw_people(tmp_path / "people", counts))
        with pytest.raises(DataError, match="at least 2"):
            train(run_of(catalogue, tmp_path / "out"))
        assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def checkpoint(uninterrupted: TrainResult) -> Checkpoint:
    return read_checkpoint(uninterrupted.checkpoint)


class TestRecord:
    def test_says_where_the_weights_come_from(self, checkpoint: Checkpoint, uninterrupted: TrainResult) -> None:
        record, provenance = checkpoint.record, checkpoint.record.provenance
        assert (record.network, record.preprocessing) == (TINY_SIZES, TINY_SPEC)
        assert (provenance.seed, provenance.epochs, provenance.best_epoch) == (1, 4, uninterrupted.best_epoch)
        assert (provenance.people_trained, provenance.people_validated) == (6, 4)
        assert (provenance.data, provenance.licence, provenance.outside_data) == ("drawn people", "none", "none")
        assert provenance.torch_version == torch.__version__
        assert 0.0 < uninterrupted.training_seconds < 600.0
        assert record.validation == ((VALIDATION_METRIC, uninterrupted.validation),)

    def test_weights_fit_the_network_and_nothing_of_the_training_is_among_them(self, checkpoint: Checkpoint) -> None:
        network = Mnemosyne(mnemosyne_config(checkpoint))
        network.load_state_dict(checkpoint.weights)  # strict
        assert all(tensor.isfinite().all() for tensor in checkpoint.weights.values())

    def test_the_decision_is_that_of_these_weights_on_the_people_held_out(
        self, checkpoint: Checkpoint, people: Catalogue
    ) -> None:
        network = Mnemosyne(mnemosyne_config(checkpoint))
        network.load_state_dict(checkpoint.weights)
        trained, held_out = split_by_identity(people, held_out=CONFIG.held_out, seed=CONFIG.seed)
        store, validation = load_frames(trained, TINY_SPEC), load_frames(held_out, TINY_SPEC)
        # A fit does not look at what stood there before, so once more is the same.
        scoring = fit_log_variance(network, store, validation, TINY_SPEC, seed=CONFIG.seed)
        assert_same_tensors(network.state_dict(), checkpoint.weights)
        # Thresholds see other templates of these people than the fit saw.
        expected = calibrate_decision(network, validation, TINY_SPEC, scoring, seed=CONFIG.seed + 1)
        found = identity_decision(checkpoint.record.decision, where="The checkpoint")
        assert found.score == scoring
        assert found == expected

    def test_velocity_is_trained_like_everything_else_and_the_log_variance_is_fitted(
        self, checkpoint: Checkpoint, people: Catalogue
    ) -> None:
        # In the original both rows of this head were as they had been drawn, and their outputs noise.
        torch.manual_seed(CONFIG.seed)
        drawn = MnemosyneModule(CONFIG, people=6, validation=load_frames(people, TINY_SPEC)).network.state_dict()
        name = "convergence.weight"
        velocity, log_variance = (checkpoint.weights[name] - drawn[name]).abs().amax(dim=1).tolist()
        assert velocity > 1e-4
        assert log_variance > 1e-4

    def test_the_best_weights_are_those_of_the_best_epoch(
        self, people: Catalogue, uninterrupted: TrainResult, tmp_path: Path
    ) -> None:
        lines: list[str] = []
        train(run_of(people, tmp_path, say=lines.append))
        values = [float(line.rsplit(" ", 1)[1]) for line in lines]
        assert [line.split(":")[0] for line in lines] == [f"epoch {n} of 4" for n in (1, 2, 3, 4)]
        whole = values[CONFIG.encoder_epochs :]  # the encoder's own epochs give no weights that could ship
        assert len(whole) == 3
        assert CONFIG.encoder_epochs + whole.index(max(whole)) == uninterrupted.best_epoch
        assert uninterrupted.validation == pytest.approx(max(whole), abs=1e-4)

    def test_the_best_epoch_is_one_that_trained_the_whole_network(
        self, people: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # While the encoder trains alone, cell, velocity and log-variance are as they were drawn: such
        # weights must not ship, however well they happen to do in validation.
        monkeypatch.setattr(MnemosyneModule, "validation_step", validation_like(0.9, 0.8, 0.6, 0.7))
        result = train(run_of(people, tmp_path, config=replace(CONFIG, encoder_share=0.5)))
        assert result.best_epoch == 3


def test_images_beyond_the_limit_are_left_out(people: Catalogue, tmp_path: Path) -> None:
    few = replace(CONFIG, epochs=1, images_per_person=5)
    train(run_of(people, tmp_path, config=few))
    decision = read_checkpoint(tmp_path / BEST).record.decision
    assert decision is not None
    assert "4 validation people, 20 images" in decision.calibrated_on


def test_people_too_few_to_choose_thresholds_on_are_refused_before_the_training_and_not_after_it(
    people: Catalogue, tmp_path: Path
) -> None:
    # Four people with four images make 96 impostor pairs; the highest rate, 0.1, takes a hundred.
    with pytest.raises(DataError):
        train(run_of(people, tmp_path / "out", config=replace(CONFIG, images_per_person=4)))
    assert not (tmp_path / "out").exists()
