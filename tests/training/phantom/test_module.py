"""The detector's training step: what learns, what is averaged, and that a batch can be learnt by heart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from crystaledge_training.evaluation.detection import Found, detection_metrics
from crystaledge_training.phantom.detect import detect
from crystaledge_training.phantom.module import DetectorModule, ValidationSet
from crystaledge_training.phantom.picture import Picture
from crystaledge_training.phantom.pictures import PictureBatch, stack
from crystaledge_training.phantom.train_config import PhantomTrainConfig
from tests.training.phantom.builders import SIZES, TINY, drawn_photograph

NOTHING = ValidationSet(torch.empty(0, 3, 48, 64), [])


def module_of(config: PhantomTrainConfig = TINY, validation: ValidationSet = NOTHING) -> DetectorModule:
    torch.manual_seed(3)
    module = DetectorModule(config, validation)
    module.log = module.log_dict = lambda *a, **k: None  # type: ignore[method-assign, assignment]  # no trainer here
    return module


def batch_of(count: int = 4) -> PictureBatch:
    pictures = []
    for number in range(count):
        pixels, boxes = drawn_photograph(number, (64, 96), faces=1 + number % 2)
        pictures.append(Picture(pixels, np.array(boxes, np.float32), np.ones(len(boxes), np.int64)))
    return stack(pictures)


def state_of(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


class TestStep:
    def test_all_of_the_detector_learns_and_stage_3_by_its_own_head(self) -> None:
        module = module_of()
        module.training_step(batch_of(), 0).backward()  # type: ignore[no-untyped-call]
        for name, parameter in module.network.named_parameters():
            assert (parameter.grad is not None and parameter.grad.abs().sum() > 0) or _before_a_norm(name), name
        assert module.stage3_head is not None
        assert all(p.grad is not None for p in module.stage3_head.parameters())
        assert all(p.grad is None for p in module.averaged.parameters())

    def test_stage_3_can_be_left_out(self) -> None:
        module = module_of(replace(TINY, network=replace(SIZES, stage3=0)))
        assert module.stage3_head is None
        assert module.training_step(batch_of(), 0).isfinite()

    def test_is_a_function_of_seed_and_batch_whatever_was_drawn_before(self) -> None:
        module, batch = module_of(), batch_of()
        losses = []
        for index in (0, 0, 1):
            torch.rand(7)
            losses.append(module.training_step(batch, index).item())
        assert losses[0] == losses[1] != losses[2]

    def test_the_optimiser_moves_no_average(self) -> None:
        module = module_of()
        found = module.configure_optimizers()
        assert isinstance(found, dict)
        moved = {id(p) for group in found["optimizer"].param_groups for p in group["params"]}
        assert module.stage3_head is not None
        wanted = [*module.network.parameters(), *module.stage3_head.parameters()]
        assert moved == {id(p) for p in wanted}


def _before_a_norm(name: str) -> bool:
    """A bias before batch norm is taken out again by it."""
    return name.endswith(".0.bias") and not name.startswith(("shared", "logit", "box"))


class TestAverage:
    def test_is_the_network_after_one_batch_and_follows_slowly_from_there(self) -> None:
        module = module_of()
        module.averaged.update_parameters(module.network)
        for name, tensor in module.best.state_dict().items():
            assert torch.equal(tensor, module.network.state_dict()[name]), name
        before = state_of(module.best)
        with torch.no_grad():
            for parameter in module.network.parameters():
                parameter.add_(1.0)
        module.averaged.update_parameters(module.network)  # the second time: n = 1
        decay = min(TINY.ema_decay, 2.0 / 11.0)
        for name, tensor in module.best.named_parameters():
            assert torch.allclose(tensor, before[name] + (1.0 - decay), atol=1e-5), name

    def test_memory_grows_to_what_is_configured(self) -> None:
        module = module_of()
        zero, one = torch.zeros(1), torch.ones(1)
        remembered = [1.0 - module._average(zero, one, steps).item() for steps in (0, 10, 100, 10_000)]
        assert remembered == pytest.approx([0.1, 0.55, 101 / 110, TINY.ema_decay])

    def test_running_statistics_are_averaged_too(self) -> None:
        module = module_of()
        module.averaged.update_parameters(module.network)
        module.network(torch.randn(2, 3, 32, 32))
        module.averaged.update_parameters(module.network)
        average, current = module.best.stem[1].running_mean, module.network.stem[1].running_mean
        assert isinstance(average, Tensor) and isinstance(current, Tensor)
        assert torch.allclose(average, current * (1.0 - 2.0 / 11.0), atol=1e-6)


def test_a_batch_is_learnt_by_heart() -> None:
    torch.manual_seed(0)
    quiet = replace(
        TINY.photometric, colour_probability=0.0, blur_probability=0.0, noise_probability=0.0, grey_probability=0.0
    )
    sizes = replace(SIZES, stem=12, stage1=16, stage2=24)
    module, batch = module_of(replace(TINY, photometric=quiet, network=sizes)), batch_of()
    optimizer = torch.optim.AdamW(module.network.parameters(), lr=1e-2)
    losses = []
    for _ in range(160):
        optimizer.zero_grad()
        loss = module.training_step(batch, 0)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    detector = module.network
    with torch.no_grad():  # statistics of this very batch
        images = module._photometric.eval()(batch.pixels)
        for _ in range(30):
            detector(images)
    found = detect(detector.eval(), images, octaves=1, score_threshold=0.05, suppression_iou=0.45)
    truth = [
        (box[kind == 1].numpy(), np.zeros(int((kind == 1).sum()), np.bool_))
        for box, kind in zip(batch.box_xyxy, batch.kind, strict=True)
    ]
    metrics = detection_metrics(
        [Found(f.box_xyxy, f.score) for f in found], truth, smallest_px=8.0, bootstrap=0, seed=0
    )
    assert metrics.ap50 > 0.9
