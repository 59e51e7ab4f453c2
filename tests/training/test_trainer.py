"""The trainer that every system shares: what its resume file keeps, and what the best epoch leaves behind."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO
from crystaledge_training.trainer import LAST, BestEpoch, epochs_done, trainer_in

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.. is deprecated"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
]
VALUES = (0.3, 0.9, 0.5)
"""What the epochs reach; the second is the best."""


class _Counting(L.LightningModule):
    """A network whose one weight is the number of steps that were taken."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.network.weight)

    def training_step(self, batch: list[Tensor], place: int) -> Tensor:
        return -self.network.weight.sum()

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=1.0)

    def validation_step(self, batch: list[Tensor], place: int) -> None:
        self.log("value", VALUES[self.current_epoch])


class _Highest(BestEpoch):
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        value = float(trainer.callback_metrics["value"])
        if isinstance(pl_module, _Counting) and value > self.best:
            self.keep(trainer.current_epoch, value, {"network": pl_module.network})


def trained(out: Path, epochs: int) -> _Highest:
    """Train, or go on, up to so many epochs."""
    best = _Highest(out / "best.weights", worst=-1.0)
    trainer = trainer_in(out, [best], epochs=epochs, progress=False)
    batches = DataLoader(TensorDataset(torch.zeros(1, 1)))
    resume = out / LAST
    trainer.fit(_Counting(), batches, batches, ckpt_path=resume if resume.exists() else None)
    return best


def weight_in(file: Path) -> float:
    """The one weight of the kept network."""
    return float(SafetensorsCheckpointIO().load_checkpoint(file)["network"]["weight"])


@pytest.mark.parametrize("stops", [[3], [1, 3], [1, 2, 3]], ids=str)
def test_the_best_epoch_is_kept_however_often_a_run_is_taken_up(stops: list[int], tmp_path: Path) -> None:
    for epochs in stops:
        best = trained(tmp_path, epochs)
        assert epochs_done(tmp_path / LAST) == epochs
    assert best.epoch == 1 and best.best == pytest.approx(0.9)
    assert weight_in(best.path) == 2.0  # after the second epoch's step, and not after the last


def test_a_run_that_is_over_tells_its_best_epoch_without_a_training(tmp_path: Path) -> None:
    done = trained(tmp_path, 3)
    again = _Highest(done.path, worst=-1.0)
    again.resume(tmp_path / LAST)
    assert (again.best, again.epoch) == (done.best, done.epoch)
    assert 0.0 < again.seconds <= done.seconds


def test_no_resume_file_is_no_epoch(tmp_path: Path) -> None:
    assert epochs_done(tmp_path / LAST) == 0
