"""Whole runs of PatchCore on drawn parts: what is written, when nothing is, and that equal runs are equal."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from crystaledge.anomaly.bank import Bank
from crystaledge.anomaly.scoring import Scoring
from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.errors import DataError, OutputExistsError, UsageError
from crystaledge.system import System
from crystaledge_training.anomaly.look import look_at
from crystaledge_training.checkpoint import Checkpoint, read_checkpoint
from crystaledge_training.data.anomaly_set import read_anomaly_set
from crystaledge_training.patchcore.load import patchcore_from_checkpoint
from crystaledge_training.patchcore.split import split_remembered
from crystaledge_training.patchcore.train import BEST, PatchCoreTrainRequest, PatchCoreTrainResult, train
from crystaledge_training.patchcore.train_config import PatchCoreTrainConfig
from crystaledge_training.run_folder import RUN
from tests.training.patchcore.builders import TINY
from tests.training.student_teacher.builders import draw_parts

REMEMBERED, HELD_OUT, CELLS = 13, 3, 64


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_parts(tmp_path_factory.mktemp("parts"))


def run(
    parts: Path,
    out: Path,
    *,
    config: PatchCoreTrainConfig = TINY,
    say: Callable[[str], None] = lambda line: None,
    force: bool = False,
) -> PatchCoreTrainResult:
    request = PatchCoreTrainRequest(
        data=read_anomaly_set(parts),
        data_licence="drawn",
        out=out,
        config=config,
        progress=False,
        say=say,
        force=force,
    )
    torch.manual_seed(11)  # the published backbone is random; everything else is a function of the configuration
    return train(request)


@pytest.fixture(scope="module")
def result(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> PatchCoreTrainResult:
    return run(parts, tmp_path_factory.mktemp("run") / "a")


@pytest.fixture(scope="module")
def checkpoint(result: PatchCoreTrainResult) -> Checkpoint:
    return read_checkpoint(result.checkpoint)


class TestRun:
    def test_remembers_the_share_that_was_asked_for(self, result: PatchCoreTrainResult) -> None:
        assert result.patches == REMEMBERED * CELLS
        assert result.bank_rows == int(result.patches * TINY.bank_share)

    def test_leaves_the_checkpoint_and_what_makes_the_run(self, result: PatchCoreTrainResult) -> None:
        assert sorted(path.name for path in result.checkpoint.parent.iterdir()) == [BEST, RUN]

    def test_equal_runs_are_equal_to_the_last_bit(
        self, result: PatchCoreTrainResult, checkpoint: Checkpoint, parts: Path, tmp_path: Path
    ) -> None:
        other = read_checkpoint(run(parts, tmp_path / "b").checkpoint)
        assert other.weights.keys() == checkpoint.weights.keys()
        for name, tensor in checkpoint.weights.items():
            assert torch.equal(other.weights[name], tensor), name
        assert other.record.decision == checkpoint.record.decision

    def test_a_finished_run_may_be_run_again(self, parts: Path, tmp_path: Path) -> None:
        first = read_checkpoint(run(parts, tmp_path / "a").checkpoint)
        second = read_checkpoint(run(parts, tmp_path / "a").checkpoint)
        assert torch.equal(first.weights["bank"], second.weights["bank"])

    def test_says_what_it_cuts(self, parts: Path, tmp_path: Path) -> None:
        said: list[str] = []
        tight = replace(TINY, most_pool_bytes=REMEMBERED * 20 * 4 * TINY.network.bank_dims, most_bank_rows=30)
        found = run(parts, tmp_path / "a", config=tight, say=said.append)
        assert found.bank_rows == 30 and found.patches == REMEMBERED * CELLS
        assert f"chosen from {REMEMBERED * 20} of {REMEMBERED * CELLS} patches" in said[0]
        assert f"keeps 30 patches, not {int(REMEMBERED * CELLS * TINY.bank_share)}" in said[1]


class TestCheckpoint:
    def test_says_where_it_comes_from(self, checkpoint: Checkpoint, parts: Path) -> None:
        record, provenance = checkpoint.record, checkpoint.record.provenance
        assert record.system is System.PATCHCORE
        assert record.network == replace(TINY.network, bank_rows=len(checkpoint.weights["bank"]))
        assert record.preprocessing == TINY.preprocessing
        assert (provenance.images_trained, provenance.images_validated) == (REMEMBERED, HELD_OUT)
        assert (provenance.licence, provenance.seed, provenance.people_trained) == ("drawn", TINY.seed, 0)
        assert provenance.data == read_anomaly_set(parts).description

    def test_the_threshold_lies_just_above_the_held_out_images(self, checkpoint: Checkpoint, parts: Path) -> None:
        decision = checkpoint.record.decision
        assert isinstance(decision, AnomalyDecision)
        network = patchcore_from_checkpoint(checkpoint)
        paths = read_anomaly_set(parts).train
        held_out = split_remembered(paths, holdout=TINY.holdout, seed=TINY.seed).held_out
        scoring = Scoring(blur_cells=TINY.blur_cells, bank=Bank(network.bank.numpy()))
        scores = [look.scored.raw for look in look_at(network, held_out, TINY.preprocessing, scoring)]
        assert decision.held_out == len(scores) == HELD_OUT
        assert decision.threshold == pytest.approx(max(scores), rel=1e-5) and decision.threshold > max(scores)
        assert decision.centre == pytest.approx(np.median(scores), rel=1e-5)

    def test_remembers_patches_of_the_remembered_images(self, checkpoint: Checkpoint, parts: Path) -> None:
        network = patchcore_from_checkpoint(checkpoint)
        split = split_remembered(read_anomaly_set(parts).train, holdout=TINY.holdout, seed=TINY.seed)

        def nearest(paths: tuple[Path, ...]) -> float:
            looks = look_at(network, paths, TINY.preprocessing, Scoring())
            return min(float(look.scored.cells.min()) for look in looks)

        assert nearest(split.remembered) < 0.1 * nearest(split.held_out)

    def test_finds_bites(self, checkpoint: Checkpoint, parts: Path) -> None:
        decision = checkpoint.record.decision
        assert isinstance(decision, AnomalyDecision)
        test = read_anomaly_set(parts).test
        network = patchcore_from_checkpoint(checkpoint)
        scoring = Scoring(blur_cells=decision.blur_cells, bank=Bank(network.bank.numpy()))
        looks = look_at(network, [image.path for image in test], TINY.preprocessing, scoring)
        found = {image.path: look.scored.raw for image, look in zip(test, looks, strict=True)}
        normal = [found[image.path] for image in test if image.defect is None]
        bitten = [found[image.path] for image in test if image.defect is not None]
        assert min(bitten) > max(normal)


class TestRefusal:
    @pytest.mark.parametrize(("count", "word"), [(0, "There are 0"), (1, "There are 1")])
    def test_too_few_normal_images(self, tmp_path: Path, count: int, word: str) -> None:
        parts = draw_parts(tmp_path / "parts", train=count)
        with pytest.raises(DataError, match=word):
            run(parts, tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_an_image_that_cannot_be_read_remembered_or_held_out(self, tmp_path: Path) -> None:
        parts = draw_parts(tmp_path / "parts")
        for path in sorted((parts / "train/good").iterdir()):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            with pytest.raises(DataError, match=path.name):
                run(parts, tmp_path / "run")
            path.write_bytes(whole)
        assert not (tmp_path / "run").exists()

    def test_an_image_of_one_colour(self, tmp_path: Path) -> None:
        parts = draw_parts(tmp_path / "parts")
        assert cv2.imwrite(str(parts / "train/good/003.png"), np.full((48, 48, 3), 90, np.uint8))
        with pytest.raises(DataError, match=r"003\.png is of one colour"):
            run(parts, tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_copies_of_one_image(self, tmp_path: Path) -> None:
        parts = draw_parts(tmp_path / "parts", train=1)
        for number in range(1, 6):
            shutil.copy(parts / "train/good/000.png", parts / f"train/good/{number:03d}.png")
        with pytest.raises(DataError, match="All 6 normal images"):
            run(parts, tmp_path / "run")

    def test_images_larger_than_memory(self, parts: Path, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="inside of the network"):
            run(parts, tmp_path / "run", config=replace(TINY, size_hw=(8000, 8000)))
        with pytest.raises(DataError, match="One patch of each"):
            run(parts, tmp_path / "run", config=replace(TINY, most_pool_bytes=100))
        assert not (tmp_path / "run").exists()

    def test_another_runs_folder_unless_forced(self, parts: Path, tmp_path: Path) -> None:
        run(parts, tmp_path / "run")
        other = replace(TINY, seed=6)
        with pytest.raises(DataError, match="holds another run"):
            run(parts, tmp_path / "run", config=other)
        (tmp_path / "run" / "left.over").write_text("x")
        run(parts, tmp_path / "run", config=other, force=True)
        assert not (tmp_path / "run" / "left.over").exists()

    def test_a_folder_that_is_no_run_even_if_forced(self, parts: Path, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "mine.txt").write_text("mine")
        for force in (False, True):
            with pytest.raises(OutputExistsError):
                run(parts, tmp_path / "run", force=force)
        assert (tmp_path / "run" / "mine.txt").read_text() == "mine"

    def test_a_run_that_fails_leaves_the_one_before(self, tmp_path: Path) -> None:
        parts = draw_parts(tmp_path / "parts")
        before = run(parts, tmp_path / "run").checkpoint.read_bytes()
        (parts / "train/good/000.png").write_bytes(b"no image")
        with pytest.raises(DataError):
            run(parts, tmp_path / "run", force=True)
        assert (tmp_path / "run" / BEST).read_bytes() == before

    @pytest.mark.parametrize("value", [0.0, -0.1, 1.5, float("nan")])
    def test_shares_that_keep_nothing_or_all(self, value: float) -> None:
        with pytest.raises(UsageError, match=r"bank share .* expected more than 0"):
            replace(TINY, bank_share=value)
        with pytest.raises(UsageError, match=r"hold-out share .* at most 0\.9"):
            replace(TINY, holdout=value)
        with pytest.raises(UsageError, match=r"false-alarm rate .* at most 0\.5"):
            replace(TINY, false_alarm_rate=value)
