"""Schedules, random numbers and validation of the Lightning module."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from crystaledge.jsonio import dumps, loads
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.data.sequences import SequenceBatch, collate
from crystaledge_training.evaluation.templates import draw_templates
from crystaledge_training.mnemosyne.embed import crystallize, encode_frames
from crystaledge_training.mnemosyne.losses import LossTerms
from crystaledge_training.mnemosyne.module import (
    VALIDATION_METRIC,
    MnemosyneModule,
    TrainConfig,
    two_part_schedule,
)
from crystaledge_training.schedule import learning_rate_factor
from tests.training.builders import TINY_SIZES, TINY_SPEC, scene_store

CONFIG = TrainConfig(network=TINY_SIZES, preprocessing=TINY_SPEC, epochs=10, encoder_share=0.4, warmup_epochs=2, seed=6)


class Recorder(MnemosyneModule):
    """The module without a trainer: in an epoch of choice, and with a note of what it logs."""

    def __init__(self, config: TrainConfig, validation: FrameStore, *, epoch: int = 0) -> None:
        torch.manual_seed(0)
        super().__init__(config, people=10, validation=validation)
        self.logged: dict[str, float] = {}
        self.epoch = epoch

    @property
    def current_epoch(self) -> int:
        return self.epoch

    def log(self, name: str, value: Tensor | float, **options: object) -> None:  # type: ignore[override]
        self.logged[name] = float(value)

    def log_dict(self, dictionary: dict[str, Tensor], **options: object) -> None:  # type: ignore[override]
        self.logged |= {name: float(value) for name, value in dictionary.items()}


@pytest.fixture(scope="module")
def whole_frames() -> FrameStore:
    return scene_store([4] * 10, Preprocessing(size_hw=(40, 40)))


def sequences(store: FrameStore) -> SequenceBatch:
    """Two sequences of two frames of each of the first four people."""
    rows = [np.array(pair) + 4 * person for person in range(4) for pair in ((0, 1), (2, 3))]
    return collate(store, rows, np.repeat(np.arange(4), 2))


def single_frames(store: FrameStore) -> SequenceBatch:
    """One frame of each person."""
    return collate(store, [np.array([4 * person]) for person in range(10)], np.arange(10))


class TestSchedule:
    def test_warms_up_in_equal_steps_and_falls_along_a_half_cosine_to_one_percent(self) -> None:
        epochs, warmup = 20, 4
        found = [learning_rate_factor(e, epochs, warmup) for e in range(epochs + 1)]
        # The published rule: lr_min + (lr - lr_min) (1 + cos(pi (e - w) / (E - w))) / 2, lr_min = lr / 100.
        falling = [0.01 + 0.5 * 0.99 * (1 + math.cos(math.pi * (e - 4) / 16)) for e in range(4, 21)]
        assert found == pytest.approx([0.25, 0.5, 0.75, 1.0, *falling])
        assert max(found) == pytest.approx(1.0)
        assert found[-1] == pytest.approx(0.01)

    def test_stays_at_the_bottom_after_the_end_and_needs_no_epoch_after_the_warm_up(self) -> None:
        assert learning_rate_factor(30, 20, 4) == pytest.approx(0.01)
        assert learning_rate_factor(3, 3, 3) == pytest.approx(1.0)
        assert learning_rate_factor(0, 5, 0) == pytest.approx(1.0)

    def test_encoder_and_sequences_have_one_rise_and_fall_each(self) -> None:
        assert CONFIG.encoder_epochs == 4
        found = [two_part_schedule(e, CONFIG) for e in range(10)]
        first = [learning_rate_factor(e, 4, 2) for e in range(4)]
        second = [0.5 * learning_rate_factor(e, 6, 2) for e in range(6)]
        assert found == pytest.approx(first + second)

    def test_the_optimiser_follows_it_with_a_rate_for_each_part(self, ten_people: FrameStore) -> None:
        module = Recorder(CONFIG, ten_people)
        made: Any = module.configure_optimizers()
        optimizer, schedule = made["optimizer"], made["lr_scheduler"]
        assert isinstance(optimizer, torch.optim.AdamW)
        assert isinstance(schedule, torch.optim.lr_scheduler.LambdaLR)
        peaks = (CONFIG.learning_rate, CONFIG.head_learning_rate)
        for epoch in range(CONFIG.epochs):
            rates = [group["lr"] for group in optimizer.param_groups]
            assert rates == pytest.approx([peak * two_part_schedule(epoch, CONFIG) for peak in peaks])
            optimizer.step()
            schedule.step()
        held = [p for group in optimizer.param_groups for p in group["params"]]
        assert {id(p) for p in held} == {id(p) for p in module.parameters()}
        assert len(held) == len(list(module.parameters()))


class TestRandomness:
    def loss(self, validation: FrameStore, batch: SequenceBatch, *, seed: int, epoch: int, index: int) -> float:
        module = Recorder(replace(CONFIG, seed=seed), validation, epoch=epoch)
        torch.manual_seed(np.random.default_rng().integers(1 << 31))  # whatever happened before
        module.on_train_epoch_start()
        return module.training_step(batch, index).item()

    def test_is_a_function_of_seed_epoch_and_batch(self, ten_people: FrameStore, whole_frames: FrameStore) -> None:
        batch = sequences(whole_frames)
        places = [(s, e, i) for s in (6, 7) for e in (5, 6) for i in (0, 1)]
        losses = [self.loss(ten_people, batch, seed=s, epoch=e, index=i) for s, e, i in places]
        again = [self.loss(ten_people, batch, seed=s, epoch=e, index=i) for s, e, i in places]
        assert again == losses
        assert len(set(losses)) == len(losses)


class TestStep:
    def test_the_first_epochs_train_the_encoder_alone(self, ten_people: FrameStore, whole_frames: FrameStore) -> None:
        module = Recorder(CONFIG, ten_people, epoch=3)
        module.train()
        assert module.trains_encoder
        loss = module.training_step(single_frames(whole_frames), 0)
        loss.backward()  # type: ignore[no-untyped-call]
        trained = {name for name, p in module.network.named_parameters() if p.grad is not None}
        assert trained == {f"encoder.{name}" for name, _ in module.network.encoder.named_parameters()}
        assert module.loss.encodings.W.grad is not None
        assert module.loss.classes.W.grad is None
        assert module.logged == {"loss/encoder": pytest.approx(loss.item())}

    def test_the_others_train_everything(self, ten_people: FrameStore, whole_frames: FrameStore) -> None:
        module = Recorder(CONFIG, ten_people, epoch=4)
        module.train()
        assert not module.trains_encoder
        loss = module.training_step(sequences(whole_frames), 0)
        loss.backward()  # type: ignore[no-untyped-call]
        assert all(p.grad is not None for p in module.parameters())
        terms = [field.name for field in fields(LossTerms) if field.name != "total"]
        assert {f"loss/{t}" for t in (*terms, "total")} <= set(module.logged)
        assert module.logged["loss"] == module.logged["loss/total"] == pytest.approx(loss.item())
        weights = CONFIG.loss
        by_term = {t: getattr(weights, f"{'class' if t == 'classes' else t}_weight") for t in terms}
        expected = sum(weight * module.logged[f"loss/{t}"] for t, weight in by_term.items())
        assert loss.item() == pytest.approx(expected, rel=1e-5)


class TestValidation:
    def test_is_the_mean_auc_of_cosines_at_one_and_three_observations(self, ten_people: FrameStore) -> None:
        module = Recorder(CONFIG, ten_people)
        module.validation_step(torch.zeros(1), 0)
        encoded = encode_frames(module.network, ten_people.pixels, TINY_SPEC)
        values = []
        for observations in (1, 3):
            templates = draw_templates(ten_people, observations, seed=CONFIG.seed)
            states = crystallize(module.network, encoded, templates.rows).hidden[-1].double().numpy()
            unit = states / np.linalg.norm(states, axis=1, keepdims=True)
            cosine = unit @ unit.T
            same = templates.person[:, None] == templates.person[None, :]
            upper = np.triu(np.ones_like(same), k=1)
            genuine, impostors = cosine[same & upper], cosine[~same & upper]
            values.append(float((genuine[:, None] > impostors[None, :]).mean()))
        assert module.logged["validation/auc_1"] == pytest.approx(values[0], abs=1e-4)
        assert module.logged["validation/auc_3"] == pytest.approx(values[1], abs=1e-4)
        assert module.logged[VALIDATION_METRIC] == pytest.approx(np.mean(values), abs=1e-4)

    def test_is_a_coin_toss_where_there_is_nothing_to_tell_apart(self) -> None:
        module = Recorder(CONFIG, scene_store([2, 2]))  # at three observations nobody has a template
        module.validation_step(torch.zeros(1), 0)
        assert module.logged["validation/auc_3"] == 0.5


def test_the_configuration_survives_json() -> None:
    assert loads(TrainConfig, dumps(CONFIG), where="test") == CONFIG
    assert loads(TrainConfig, dumps(TrainConfig()), where="test") == TrainConfig()
