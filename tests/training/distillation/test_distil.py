"""Whole trainings on drawn people with a tiny teacher: stopped and taken up they end the same, bit for bit."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]
from torch import Tensor, nn

from crystaledge.errors import ContractError, DataError, UsageError
from crystaledge.sources.identities import Catalogue, read_catalogue
from crystaledge_training.data.frames import load_frames
from crystaledge_training.distillation.config import DistilConfig, LossWeights, labels_alone
from crystaledge_training.distillation.distil import LESSONS, DistilResult, distil_encoder, distil_with
from crystaledge_training.distillation.tutor import OUTSIDE_DATA, Teacher
from crystaledge_training.distillation.validation import verify
from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO, flatten
from crystaledge_training.trainer import LAST
from tests.training.builders import draw_people
from tests.training.distillation.builders import TINY_CONFIG, TinyEncoder, TinyTeacher, request_of, tiny_tutor

pytestmark = [
    # Lightning's own: a deprecated call of torch, and advice about cases that are not ours.
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.. is deprecated"),
    pytest.mark.filterwarnings("ignore:Your `IterableDataset` has `__len__` defined"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return read_catalogue(draw_people(tmp_path_factory.mktemp("people"), [6] * 10))


@pytest.fixture(scope="module")
def whole(people: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> tuple[DistilResult, Path]:
    """A training that was never stopped."""
    out = tmp_path_factory.mktemp("whole")
    return distil_with(request_of(people, out), tiny_tutor()), out


def labels_config() -> DistilConfig:
    config = labels_alone(TINY_CONFIG)
    return replace(config, batch=replace(config.batch, rows=192))


def resume_tensors(out: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    flatten(SafetensorsCheckpointIO().load_checkpoint(out / LAST), found)
    return found


def assert_same_tensors(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert set(found) == set(expected)
    assert [name for name, tensor in expected.items() if not torch.equal(found[name], tensor)] == []


class TestResume:
    @pytest.mark.parametrize("stops", [(1,), (2,), (1, 2)], ids=str)
    def test_ends_with_the_same_bits(
        self, people: Catalogue, whole: tuple[DistilResult, Path], tmp_path: Path, stops: tuple[int, ...]
    ) -> None:
        for stop in stops:
            stopped = distil_with(request_of(people, tmp_path, stop_after=stop), tiny_tutor())
            assert (stopped.epochs_done, stopped.finished) == (stop, False)
            torch.manual_seed(stop)  # another process has another state of random numbers
        result = distil_with(request_of(people, tmp_path), tiny_tutor())
        assert (result.epochs_done, result.finished) == (3, True)
        assert (result.best_epoch, result.validation_accuracy) == (whole[0].best_epoch, whole[0].validation_accuracy)
        assert_same_tensors(result.weights, whole[0].weights)
        assert_same_tensors(resume_tensors(tmp_path), resume_tensors(whole[1]))

    @pytest.mark.parametrize("forgotten", ["exp_avg", "average"])
    def test_a_resume_that_forgets_something_is_noticed(
        self, people: Catalogue, whole: tuple[DistilResult, Path], tmp_path: Path, forgotten: str
    ) -> None:
        # A planted fault: the comparison of this class has to be able to fail.
        distil_with(request_of(people, tmp_path, stop_after=2), tiny_tutor())
        state = SafetensorsCheckpointIO().load_checkpoint(tmp_path / LAST)
        if forgotten == "average":
            state["state_dict"]["average.module.embedding.weight"].zero_()
        else:
            for moments in state["optimizer_states"][0]["state"].values():
                moments["exp_avg"] = torch.zeros_like(moments["exp_avg"])
        SafetensorsCheckpointIO().save_checkpoint(state, tmp_path / LAST)
        distil_with(request_of(people, tmp_path), tiny_tutor())
        with pytest.raises(AssertionError):
            assert_same_tensors(resume_tensors(tmp_path), resume_tensors(whole[1]))

    def test_a_finished_training_is_not_begun_again(
        self, people: Catalogue, whole: tuple[DistilResult, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def never(*_: Any, **__: Any) -> Any:
            raise AssertionError

        monkeypatch.setattr("crystaledge_training.distillation.distil.load_frames", never)
        again = distil_with(request_of(people, whole[1]), tiny_tutor())
        assert_same_tensors(again.weights, whole[0].weights)
        assert again.training_seconds == pytest.approx(whole[0].training_seconds, abs=5.0)
        assert (again.best_epoch, again.finished) == (whole[0].best_epoch, True)

    def test_another_seed_gives_other_weights(
        self, people: Catalogue, whole: tuple[DistilResult, Path], tmp_path: Path
    ) -> None:
        other = distil_with(request_of(people, tmp_path, config=replace(TINY_CONFIG, seed=2)), tiny_tutor())
        assert not torch.equal(other.weights["embedding.weight"], whole[0].weights["embedding.weight"])


class TestResult:
    def test_the_weights_are_the_ones_that_were_validated(
        self, people: Catalogue, whole: tuple[DistilResult, Path]
    ) -> None:
        network = TinyEncoder()
        network.load_state_dict(whole[0].weights)
        request = request_of(people, whole[1])
        store = load_frames(request.held_out, TINY_CONFIG.preprocessing)
        found = verify(network, store, TINY_CONFIG.preprocessing, seed=TINY_CONFIG.seed)
        assert found.accuracy == pytest.approx(whole[0].validation_accuracy, abs=1e-6)

    def test_the_students_follow_the_teacher(self, people: Catalogue, tmp_path: Path) -> None:
        # With the cosine alone and some more steps, the distance to the teacher goes down.
        config = replace(TINY_CONFIG, losses=LossWeights(relation=0.0, classes=0.0), epochs=5, steps_per_epoch=4)
        distil_with(request_of(people, tmp_path, config=config), tiny_tutor())
        events = EventAccumulator(str(tmp_path / "tensorboard"))
        events.Reload()
        distance = [event.value for event in events.Scalars("loss/cosine")]
        assert len(distance) == 5
        assert distance[-1] < 0.7 * distance[0]

    def test_the_folder_holds_what_the_teacher_said_and_its_owner_alone_may_read_it(
        self, whole: tuple[DistilResult, Path]
    ) -> None:
        assert stat.S_IMODE((whole[1] / LESSONS).stat().st_mode) == 0o600
        names = {path.name for path in whole[1].iterdir()}
        assert names == {LESSONS, LAST, "encoder.weights", "run.json", "tensorboard"}

    def test_a_line_an_epoch_is_said(self, people: Catalogue, tmp_path: Path) -> None:
        lines: list[str] = []
        distil_with(request_of(people, tmp_path, say=lines.append), tiny_tutor())
        epochs = [line.split(":")[0] for line in lines if line.startswith("epoch")]
        assert epochs == ["epoch 1 of 3", "epoch 2 of 3", "epoch 3 of 3"]


class TestLabelsAlone:
    def test_needs_no_teacher_and_leaves_no_lessons(self, people: Catalogue, tmp_path: Path) -> None:
        result = distil_encoder(request_of(people, tmp_path, config=labels_config()))
        assert result.finished
        assert result.outside_data == "none"
        assert not (tmp_path / LESSONS).exists()
        assert result.validation_accuracy > 0.5

    def test_resumes_exactly(self, people: Catalogue, tmp_path: Path) -> None:
        request = request_of(people, tmp_path / "whole", config=labels_config())
        expected = distil_encoder(request)
        distil_encoder(replace(request, out=tmp_path / "parts", stop_after=1))
        found = distil_encoder(replace(request, out=tmp_path / "parts"))
        assert_same_tensors(found.weights, expected.weights)

    def test_an_encoder_may_have_no_quality(self, people: Catalogue, tmp_path: Path) -> None:
        plain = request_of(people, tmp_path, config=labels_config(), encoder=lambda: TinyEncoder(with_quality=False))
        assert "quality.weight" not in distil_encoder(replace(plain, stop_after=1)).weights

    def test_a_configuration_that_asks_a_teacher_is_refused(self, people: Catalogue, tmp_path: Path) -> None:
        blends = replace(labels_config(), batch=TINY_CONFIG.batch)
        for config in (TINY_CONFIG, blends):
            with pytest.raises(UsageError, match="labels_alone"):
                distil_encoder(request_of(people, tmp_path / "out", config=config))
        assert not (tmp_path / "out").exists()


class TestRefusals:
    def test_people_who_are_trained_on_and_held_out_are_refused(self, people: Catalogue, tmp_path: Path) -> None:
        request = request_of(people, tmp_path / "out")
        with pytest.raises(UsageError, match="split by person"):
            distil_with(replace(request, held_out=people), tiny_tutor())
        assert not (tmp_path / "out").exists()

    def test_a_folder_of_another_run_is_refused(
        self, people: Catalogue, whole: tuple[DistilResult, Path], tmp_path: Path
    ) -> None:
        out = tmp_path / "copy"
        shutil.copytree(whole[1], out)
        with pytest.raises(DataError, match="another configuration or other data"):
            distil_with(request_of(people, out, config=replace(TINY_CONFIG, epochs=4)), tiny_tutor())
        with pytest.raises(DataError, match="another configuration or other data"):
            distil_with(request_of(people, out), tiny_tutor(sha256="1" * 64))

    @pytest.mark.parametrize(("counts", "match"), [([1] * 10, "training data"), ([2] * 4 + [1] * 6, "at least 2")])
    def test_people_too_few_are_refused_before_anything_is_written(
        self, tmp_path: Path, counts: list[int], match: str
    ) -> None:
        catalogue = read_catalogue(draw_people(tmp_path / "people", counts))
        with pytest.raises(DataError, match=match):
            distil_with(request_of(catalogue, tmp_path / "out"), tiny_tutor())
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        "encoder",
        [lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 7)), lambda: _Pair()],
        ids=["dimensions", "quality"],
    )
    def test_an_encoder_of_another_shape_is_refused(
        self, people: Catalogue, tmp_path: Path, encoder: Callable[[], nn.Module]
    ) -> None:
        with pytest.raises(ContractError, match="The encoder makes"):
            distil_with(request_of(people, tmp_path / "out", encoder=encoder), tiny_tutor())
        assert not (tmp_path / "out").exists()


class _Pair(TinyEncoder):
    def forward(self, face: Tensor) -> Any:
        embedding, quality = super().forward(face)
        return embedding, quality.flatten()


def test_the_teacher_is_named_for_the_model_card(
    people: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crystaledge_training.distillation.distil.load_tutor", lambda teacher: tiny_tutor())
    result = distil_encoder(request_of(people, tmp_path, teacher=Teacher.DLIB_RESNET, stop_after=1))
    assert result.outside_data == OUTSIDE_DATA[Teacher.DLIB_RESNET]


def test_the_teacher_stays_as_it_is(people: Catalogue, tmp_path: Path) -> None:
    tutor = tiny_tutor()
    before = {name: tensor.clone() for name, tensor in tutor.network.state_dict().items()}
    distil_with(request_of(people, tmp_path, stop_after=1), tutor)
    assert isinstance(tutor.network, TinyTeacher)
    assert_same_tensors(tutor.network.state_dict(), before)
