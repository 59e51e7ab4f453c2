"""The units of a comparison: every channel counts alike, and a normal image is usually 1 at every level."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch

from crystaledge.sources.images import list_images
from crystaledge_training.student_teacher.config import Comparison
from crystaledge_training.student_teacher.images import NetworkInputs, ResizedImages
from crystaledge_training.student_teacher.network import ChannelUnits, StudentTeacher
from crystaledge_training.student_teacher.scale import fit_scale, fit_units
from tests.training.student_teacher.builders import TINY, TINY_PAIR, draw_parts

SPEC = TINY.preprocessing


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ResizedImages:
    root = draw_parts(tmp_path_factory.mktemp("parts"), train=5)
    return ResizedImages(list_images(root / "train" / "good"), SPEC)


@pytest.fixture
def pair() -> StudentTeacher:
    torch.manual_seed(3)
    return StudentTeacher(TINY_PAIR).eval()


class TestUnits:
    def test_make_every_channel_of_all_places_one_wide_around_zero(
        self, pair: StudentTeacher, images: ResizedImages
    ) -> None:
        fit_units(pair, images, SPEC, batch_size=2)  # a last batch of one counts for one
        with torch.no_grad():
            levels = pair.teacher(NetworkInputs(SPEC)(images.batch(range(5)).float() / 255.0))
        for units, level in zip(pair.units, levels, strict=True):
            measured = units(level).transpose(0, 1).flatten(1)
            alive = level.transpose(0, 1).flatten(1).std(dim=1) > 1e-4
            assert alive.sum() > 10
            torch.testing.assert_close(measured.mean(dim=1), torch.zeros(len(measured)), atol=1e-4, rtol=0.0)
            deviation = measured.std(dim=1, correction=0)[alive]
            torch.testing.assert_close(deviation, torch.ones_like(deviation), atol=1e-3, rtol=0.0)

    def test_of_a_channel_that_never_changes_are_finite(self, pair: StudentTeacher, images: ResizedImages) -> None:
        final_norm = pair.teacher.get_submodule("stages.1.1")
        final_norm.register_buffer("running_mean", torch.full((128,), 1e6))  # nothing gets past the ReLU
        fit_units(pair, images, SPEC, batch_size=5)
        units = cast("ChannelUnits", pair.units[0])
        assert (units.mean == 0.0).all() and (units.gain == 1.0).all()

    def test_of_directions_there_are_none(self, images: ResizedImages) -> None:
        directions = StudentTeacher(replace(TINY_PAIR, comparison=Comparison.DIRECTION))
        before = {name: tensor.clone() for name, tensor in directions.state_dict().items()}
        fit_units(directions, images, SPEC, batch_size=5)
        assert all(torch.equal(before[name], tensor) for name, tensor in directions.state_dict().items())
        assert not any(name.startswith("units") for name in before)


class TestScale:
    def test_is_one_over_the_mean_of_all_places_of_all_images(
        self, pair: StudentTeacher, images: ResizedImages
    ) -> None:
        fit_scale(pair, images, SPEC, batch_size=2)  # a last batch of one counts for one
        with torch.no_grad():
            levels = pair.distances(NetworkInputs(SPEC)(images.batch(range(5)).float() / 255.0))
        for scale, level in zip(pair.level_scale, levels, strict=True):
            assert float(scale * level.mean()) == pytest.approx(1.0, rel=1e-4)
        assert pair.level_scale[0] != pair.level_scale[1]

    def test_does_not_depend_on_how_images_are_batched(self, pair: StudentTeacher, images: ResizedImages) -> None:
        found = []
        for batch_size in (1, 2, 5):
            fit_scale(pair, images, SPEC, batch_size=batch_size)
            found.append(pair.level_scale.clone())
        torch.testing.assert_close(found[0], found[1])
        torch.testing.assert_close(found[0], found[2])

    def test_of_a_perfect_student_is_finite(
        self, pair: StudentTeacher, images: ResizedImages, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            StudentTeacher, "distances", lambda self, image: tuple(torch.zeros(len(image), 1, 2, 2) for _ in range(2))
        )
        fit_scale(pair, images, SPEC, batch_size=2)
        assert pair.level_scale.isfinite().all()
