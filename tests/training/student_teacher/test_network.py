"""Teacher and student: what is frozen, what is compared, and the sizes that were published."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from crystaledge.errors import UsageError
from crystaledge_training.anomaly.backbone_kind import BackboneKind
from crystaledge_training.student_teacher.config import (
    PUBLISHED_PAIR,
    Combination,
    Comparison,
    StudentKind,
    StudentTeacherConfig,
)
from crystaledge_training.student_teacher.network import ChannelUnits, StudentTeacher, half_squared
from tests.support.messages import message_of
from tests.training.student_teacher.builders import TINY_PAIR

IMAGES = torch.from_numpy(np.random.default_rng(0).normal(0.0, 1.0, (2, 3, 32, 48)).astype(np.float32))


@pytest.fixture
def pair() -> StudentTeacher:
    torch.manual_seed(1)
    return StudentTeacher(TINY_PAIR).eval()


def values(module: nn.Module) -> int:
    """All parameters, frozen ones too."""
    return sum(parameter.numel() for parameter in module.parameters())


class TestSizes:
    def test_the_published_pair_has_the_published_sizes(self) -> None:
        pair = StudentTeacher(PUBLISHED_PAIR)
        assert (values(pair.teacher), values(pair.student)) == (76_032, 38_208)
        assert values(pair) == 114_240
        assert pair(IMAGES)[0].shape == (2, 1, 8, 12)

    @pytest.mark.parametrize("student", [StudentKind.TWIN, StudentKind.LIGHT])
    def test_a_student_has_the_teachers_levels(self, student: StudentKind) -> None:
        pair = StudentTeacher(StudentTeacherConfig(student=student, imitated=(4, 8, 16))).eval()
        taught, imitated = pair.teacher(IMAGES), pair.student(IMAGES)
        assert [level.shape for level in taught] == [level.shape for level in imitated]
        assert [level.shape[1:] for level in taught] == [(24, 8, 12), (40, 4, 6), (112, 2, 3)]

    def test_sides_that_no_stride_divides_are_rounded_up_alike(self) -> None:
        pair = StudentTeacher(StudentTeacherConfig(imitated=(4, 8, 16))).eval()
        assert pair(torch.zeros(1, 3, 37, 51))[0].shape == (1, 1, 10, 13)

    def test_some_levels_of_many(self) -> None:
        pair = StudentTeacher(StudentTeacherConfig()).eval()
        assert pair(IMAGES)[0].shape == (2, 1, 4, 6)
        assert len(pair.distances(IMAGES)) == 2

    def test_the_narrowest_light_student_is_a_tenth_of_its_twin(self) -> None:
        light, twin = (
            StudentTeacher(StudentTeacherConfig(student=kind, width=1))
            for kind in (StudentKind.LIGHT, StudentKind.TWIN)
        )
        assert values(light.student) < 0.1 * values(twin.student)

    def test_a_wider_student_has_more_of_its_own_and_the_same_levels(self) -> None:
        narrow, wide = (StudentTeacher(StudentTeacherConfig(width=width)).eval() for width in (1, 2))
        assert 3.0 < values(wide.student) / values(narrow.student) < 4.0
        assert [a.shape for a in wide.student(IMAGES)] == [b.shape for b in narrow.student(IMAGES)]

    def test_the_published_student_imitates_nothing_else(self) -> None:
        with pytest.raises(UsageError) as raised:
            StudentTeacher(StudentTeacherConfig(student=StudentKind.PUBLISHED, imitated=(4,)))
        assert "its teacher (24,)" in message_of(raised)


class TestTeacher:
    def test_is_never_in_training_mode_and_never_moves(self, pair: StudentTeacher) -> None:
        before = {name: tensor.clone() for name, tensor in pair.teacher.state_dict().items()}
        pair.train()
        assert pair.student.training and not any(part.training for part in pair.teacher.modules())
        loss = torch.stack([level.mean() for level in pair.distances(IMAGES)]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        assert all(parameter.grad is None for parameter in pair.teacher.parameters())
        assert all(parameter.grad is not None for parameter in pair.student.parameters())
        assert all(torch.equal(before[name], tensor) for name, tensor in pair.teacher.state_dict().items())

    def test_sees_no_other_image_of_its_batch(self, pair: StudentTeacher) -> None:
        together, alone = pair.train().teacher(IMAGES), pair.teacher(IMAGES[:1])
        for both, one in zip(together, alone, strict=True):
            torch.testing.assert_close(both[:1], one)

    def test_of_imagenet_differs_from_a_random_one(self) -> None:
        config = StudentTeacherConfig(student=StudentKind.LIGHT)
        taught = StudentTeacher(config, pretrained=True).teacher.state_dict()
        again = StudentTeacher(config, pretrained=True).teacher.state_dict()
        fresh = StudentTeacher(config).teacher.state_dict()
        assert all(torch.equal(taught[name], again[name]) for name in taught)
        assert not torch.equal(taught["stem.conv.weight"], fresh["stem.conv.weight"])


class TestDistance:
    def test_is_one_minus_the_cosine(self) -> None:
        generator = torch.Generator().manual_seed(2)
        taught, imitated = (torch.randn(2, 7, 3, 4, generator=generator) for _ in range(2))
        found = half_squared(taught, imitated)
        for image, y, x in np.ndindex(2, 3, 4):
            cosine = torch.cosine_similarity(taught[image, :, y, x], imitated[image, :, y, x], dim=0)
            assert found[image, 0, y, x] == pytest.approx(1.0 - float(cosine), abs=1e-6)

    def test_of_channels_in_their_units_is_the_mean_square(self, pair: StudentTeacher) -> None:
        for units in pair.units:
            cast("ChannelUnits", units).mean.fill_(0.5)
            cast("ChannelUnits", units).gain.fill_(3.0)
        with torch.no_grad():
            levels = zip(pair.teacher(IMAGES), pair.student(IMAGES), pair.distances(IMAGES), strict=True)
        for taught, imitated, found in levels:
            expected = np.mean(((taught.numpy() - 0.5) * 3.0 - imitated.numpy()) ** 2, axis=1, keepdims=True)
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)

    def test_of_a_light_student_begins_at_the_mean_of_every_channel(self) -> None:
        pair = StudentTeacher(StudentTeacherConfig()).eval()
        assert all(level.eq(0.0).all() for level in pair.student(IMAGES))
        directions = StudentTeacher(StudentTeacherConfig(comparison=Comparison.DIRECTION)).eval()
        assert all(level.ne(0.0).any() for level in directions.student(IMAGES)), "a direction has to begin somewhere"

    def test_knows_no_loudness(self) -> None:
        taught, imitated = torch.randn(1, 5, 2, 2), torch.randn(1, 5, 2, 2)
        torch.testing.assert_close(half_squared(taught, imitated), half_squared(1e3 * taught, 1e-2 * imitated))

    def test_of_nothing_at_all_is_finite(self) -> None:
        assert half_squared(torch.zeros(1, 5, 2, 2), torch.zeros(1, 5, 2, 2)).eq(0.0).all()

    @pytest.mark.parametrize("combination", list(Combination))
    def test_levels_are_enlarged_scaled_and_combined(self, combination: Combination) -> None:
        torch.manual_seed(4)
        pair = StudentTeacher(
            StudentTeacherConfig(
                teacher=BackboneKind.PUBLISHED, imitated=(4, 8), student=StudentKind.LIGHT, combination=combination
            )
        ).eval()
        pair.level_scale.copy_(torch.tensor([2.0, 5.0]))
        with torch.no_grad():
            fine, coarse = (level.numpy() for level in pair.distances(IMAGES))
            found = pair(IMAGES)[0].numpy()
        for image in range(2):
            large = cv2.resize(coarse[image, 0], (12, 8), interpolation=cv2.INTER_LINEAR)
            both = 2.0 * fine[image, 0], 5.0 * large
            expected = np.sqrt(both[0] * both[1]) if combination is Combination.PRODUCT else both[0] + both[1]
            np.testing.assert_allclose(found[image, 0], expected, rtol=1e-4)

    def test_is_at_least_zero(self, pair: StudentTeacher) -> None:
        assert (pair(IMAGES)[0] >= 0.0).all()
