"""Batches made on the device: what is where, what the teacher is asked about, and how its space is cut."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from crystaledge.errors import DataError
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.distillation.batches import Draw, EpochOfDraws
from crystaledge_training.distillation.cache import Lessons
from crystaledge_training.distillation.classroom import Classroom, TeacherSpace, Teaching
from crystaledge_training.distillation.config import DistilConfig, labels_alone
from tests.training.distillation.builders import CENTRED, DIMENSIONS, EMBEDDING, TINY_CONFIG, TinyTeacher


def lessons_of(store: FrameStore) -> Lessons:
    generator = torch.Generator().manual_seed(0)
    rows = len(store.pixels)
    embedding = torch.randn(rows, 2, EMBEDDING, generator=generator)
    points = torch.from_numpy(CENTRED)[None].expand(rows, 5, 2)
    return Lessons(points.numpy(), embedding.numpy())


def draw_of(store: FrameStore, config: DistilConfig) -> Draw:
    return next(iter(EpochOfDraws(store.person, config.batch, steps=1, seed=0, epoch=0)))


@pytest.fixture
def teaching(ten_people: FrameStore) -> Teaching:
    return Teaching(TinyTeacher(), lessons_of(ten_people), DIMENSIONS)


class TestSpace:
    def test_keeps_the_directions_that_vary_most(self) -> None:
        torch.manual_seed(0)
        spread = torch.tensor([5.0, 0.1, 4.0, 0.1, 3.0])
        embedding = torch.randn(400, 5) * spread + 7.0
        space = TeacherSpace(embedding, 3)
        kept = (space.basis**2).sum(1)  # of each axis
        torch.testing.assert_close(kept, torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0]), atol=0.01, rtol=0.0)
        torch.testing.assert_close(space.mean, embedding.mean(0))

    def test_gives_unit_vectors_with_the_cosines_of_what_is_kept(self) -> None:
        embedding = torch.randn(50, 4)
        unit = TeacherSpace(embedding, 4)(embedding)
        centred = embedding - embedding.mean(0)
        expected = torch.nn.functional.cosine_similarity(centred[:, None], centred[None], dim=2)
        torch.testing.assert_close(unit @ unit.T, expected, atol=1e-5, rtol=0.0)

    @pytest.mark.parametrize("shape", [(3, 10), (10, 3)], ids=["too few images", "too short an embedding"])
    def test_that_cannot_be_spanned_is_refused(self, shape: tuple[int, int]) -> None:
        with pytest.raises(DataError, match="span no 4 directions"):
            TeacherSpace(torch.randn(shape), 4)


class TestTeaching:
    def test_known_images_or_their_mirror_images(self, teaching: Teaching) -> None:
        rows = torch.arange(20).repeat(10)
        found = teaching.known(rows)
        plain, mirrored = ((found == teaching.embedding[rows, side]).all(dim=1) for side in (0, 1))
        assert bool((plain ^ mirrored).all())
        assert 60 < int(plain.sum()) < 140

    def test_only_the_space_is_kept_in_a_resume_file(self, teaching: Teaching) -> None:
        assert set(teaching.state_dict()) == {"space.mean", "space.basis"}
        assert list(teaching.parameters()) == []


class TestClassroom:
    def test_a_batch_has_faces_and_targets(self, ten_people: FrameStore, teaching: Teaching) -> None:
        room = Classroom(TINY_CONFIG, ten_people, teaching)
        sight = room(draw_of(ten_people, TINY_CONFIG))
        assert sight.faces.shape == (128, 3, 32, 32)
        assert sight.target is not None
        assert sight.target.shape == (128, DIMENSIONS)
        torch.testing.assert_close(sight.target.norm(dim=1), torch.ones(128))
        assert -2.0 <= float(sight.faces.min()) < -0.5 < 0.5 < float(sight.faces.max()) <= 2.0

    def test_the_teacher_is_asked_about_blends_alone(self, ten_people: FrameStore) -> None:
        teacher = TinyTeacher()
        room = Classroom(TINY_CONFIG, ten_people, Teaching(teacher, lessons_of(ten_people), DIMENSIONS))
        room(draw_of(ten_people, TINY_CONFIG))
        assert teacher.chips_seen == TINY_CONFIG.batch.shares[1] == 32

    def test_targets_are_those_of_their_rows(self, ten_people: FrameStore, teaching: Teaching) -> None:
        draw = draw_of(ten_people, TINY_CONFIG)
        target = Classroom(TINY_CONFIG, ten_people, teaching)(draw).target
        assert target is not None
        places = [*range(64), *range(96, 128)]  # ordinary and severe rows; blends lie between
        sides = [teaching.space(teaching.embedding[draw.rows, side]) for side in (0, 1)]
        for place, first, second in zip(places, *sides, strict=True):
            assert min((target[place] - first).norm(), (target[place] - second).norm()) < 1e-5

    def test_a_blend_with_oneself_is_taught_as_oneself(self, ten_people: FrameStore) -> None:
        teacher = TinyTeacher()
        room = Classroom(TINY_CONFIG, ten_people, Teaching(teacher, lessons_of(ten_people), DIMENSIONS))
        draw = draw_of(ten_people, TINY_CONFIG)
        same = draw._replace(first=torch.zeros(32, dtype=torch.int64), second=torch.zeros(32, dtype=torch.int64))
        target = room(same).target
        assert target is not None
        directions = torch.unique((target[64:96] * 1e3).round(), dim=0)
        assert len(directions) <= 2 * 3  # the face and its mirror image, and rounding

    def test_without_a_teacher_there_are_faces_alone(self, ten_people: FrameStore) -> None:
        config = labels_alone(TINY_CONFIG)
        config = replace(config, batch=replace(config.batch, rows=128))
        sight = Classroom(config, ten_people, None)(draw_of(ten_people, config))
        assert sight.target is None
        assert sight.faces.shape == (128, 3, 32, 32)

    def test_repeats_with_the_seed(self, ten_people: FrameStore, teaching: Teaching) -> None:
        room, draw = Classroom(TINY_CONFIG, ten_people, teaching), draw_of(ten_people, TINY_CONFIG)

        def seen(seed: int) -> Tensor:
            torch.manual_seed(seed)
            faces: Tensor = room(draw).faces
            return faces

        assert torch.equal(seen(1), seen(1))
        assert not torch.equal(seen(1), seen(2))
