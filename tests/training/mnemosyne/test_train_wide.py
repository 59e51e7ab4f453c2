"""Whole runs of the wide variant on drawn people, from labels alone: resumed, refused, and what a checkpoint says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from crystaledge.errors import DataError, OutputExistsError
from crystaledge.manifest.model import identity_decision
from crystaledge.sources.identities import Catalogue, read_catalogue
from crystaledge_training.checkpoint import read_checkpoint
from crystaledge_training.distillation import config as distil_config
from crystaledge_training.distillation.config import BatchConfig, DistilConfig
from crystaledge_training.distillation.tutor import Teacher
from crystaledge_training.mnemosyne import uncertainty
from crystaledge_training.mnemosyne.config import WIDE
from crystaledge_training.mnemosyne.fit_wide import FitConfig
from crystaledge_training.mnemosyne.load import mnemosyne_from_checkpoint, published_from_checkpoint
from crystaledge_training.mnemosyne.run import TrainResult
from crystaledge_training.mnemosyne.train_wide import SINGLE_ACCURACY, WideTrainConfig, WideTrainRequest, train_wide
from crystaledge_training.mnemosyne.wide import WideMnemosyne
from crystaledge_training.mnemosyne.wide_views import ViewCounts
from tests.training.builders import draw_people

pytestmark = [
    # Lightning's own: a deprecated call of torch, and advice about cases that are not ours.
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.. is deprecated"),
    pytest.mark.filterwarnings("ignore:Your `IterableDataset` has `__len__` defined"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]

CONFIG = WideTrainConfig(
    distil=DistilConfig(epochs=2, steps_per_epoch=1),
    views=ViewCounts(plain=1, light=1, severe=1),
    fit=FitConfig(metric_steps=3, metric_people=4, evidence_steps=3, evidence_people=4),
    held_out=0.4,
    seed=1,
)


@pytest.fixture(scope="module", autouse=True)
def _short() -> Iterator[None]:
    """Batches and fits of a size for drawn people."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            distil_config, "LABELS_BATCH", BatchConfig(rows=64, images_per_person=2, blends=0.0, severe=0.5)
        )
        patched.setattr(uncertainty, "_LEARN_STEPS", 10)
        patched.setattr(uncertainty, "_CALIBRATE_STEPS", 10)
        yield


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return read_catalogue(draw_people(tmp_path_factory.mktemp("people"), [6] * 10))


def run_of(people: Catalogue, out: Path, **changes: Any) -> WideTrainRequest:
    plain = WideTrainRequest(
        people=people, data_description="drawn people", data_licence="none", out=out, config=CONFIG, progress=False
    )
    return replace(plain, **changes)


@pytest.fixture(scope="module")
def uninterrupted(people: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    return train_wide(run_of(people, tmp_path_factory.mktemp("runs") / "whole"))


def test_a_checkpoint_is_what_it_says(uninterrupted: TrainResult) -> None:
    checkpoint = read_checkpoint(uninterrupted.checkpoint)
    record = checkpoint.record
    assert record.network == WIDE
    assert record.validation == ((SINGLE_ACCURACY, uninterrupted.validation),)
    assert (record.provenance.people_trained, record.provenance.people_validated) == (6, 4)
    assert record.provenance.outside_data == "none"
    assert record.provenance.epochs == uninterrupted.epochs_done == 2
    assert identity_decision(record.decision, where="The checkpoint").operating_points
    assert isinstance(mnemosyne_from_checkpoint(checkpoint), WideMnemosyne)
    with pytest.raises(DataError, match="Such a thing is for the published network"):
        published_from_checkpoint(checkpoint, purpose="Such a thing")


def test_stopped_and_taken_up_again_ends_the_same(
    people: Catalogue, uninterrupted: TrainResult, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    first = train_wide(run_of(people, out, stop_after=1))
    assert first.epochs_done == 1
    assert not first.checkpoint.exists()
    train_wide(run_of(people, out))
    whole, again = (
        read_checkpoint(path / "best.safetensors").weights for path in (uninterrupted.checkpoint.parent, out)
    )
    for name, weight in whole.items():
        assert torch.equal(weight, again[name]), name


def test_every_part_was_trained(uninterrupted: TrainResult) -> None:
    torch.manual_seed(CONFIG.seed)
    fresh = WideMnemosyne(WIDE).state_dict()
    trained = read_checkpoint(uninterrupted.checkpoint).weights
    for name in ("encoder.stem.0.weight", "encoder.embedding.weight", "quality.weight", "evidence.weigh.bias"):
        assert not torch.equal(fresh[name], trained[name]), name


def test_other_people_or_another_configuration_are_refused(people: Catalogue, uninterrupted: TrainResult) -> None:
    out = uninterrupted.checkpoint.parent
    with pytest.raises((DataError, OutputExistsError)):
        train_wide(run_of(people, out, config=replace(CONFIG, seed=2)))


def test_too_few_people_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    few = read_catalogue(draw_people(tmp_path / "few", [2, 2, 2]))
    with pytest.raises(DataError):
        train_wide(run_of(few, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_teacher_changes_the_recipe() -> None:
    assert not CONFIG.encoder.losses.needs_teacher
    assert replace(CONFIG, teacher=Teacher.DLIB_RESNET).encoder.losses.needs_teacher
