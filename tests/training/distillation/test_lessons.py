"""Asking a teacher: each image once, what it says against a naive recomputation, and a changed image is asked again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from crystaledge.errors import DataError
from crystaledge.sources.identities import Catalogue, read_catalogue
from crystaledge.sources.images import read_image
from crystaledge_training.data.frames import load_frames
from crystaledge_training.distillation import lessons
from crystaledge_training.distillation.cache import Lessons
from crystaledge_training.distillation.geometry import chip_transforms
from crystaledge_training.distillation.lessons import Asking, Pupils, ask, lesson_key, whole_spec
from crystaledge_training.distillation.tutor import Landmarks, Tutor
from crystaledge_training.distillation.views import chips
from tests.training.builders import TINY_SPEC, draw_people
from tests.training.distillation.builders import EMBEDDING, TinyTeacher, tiny_tutor


@dataclass
class Asked:
    """People on disk, and what the teacher is asked about them."""

    people: Catalogue
    file: Path
    said: list[str] = field(default_factory=list)

    def ask(self, tutor: Tutor) -> Lessons:
        paths = [path for person in self.people.identities for path in person.paths]
        pixels = load_frames(self.people, TINY_SPEC, whole=True).pixels
        asking = Asking(file=self.file, device=torch.device("cpu"), progress=False, say=self.said.append)
        return ask(tutor, Pupils(paths, pixels, whole_spec(TINY_SPEC)), asking)


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(read_catalogue(draw_people(tmp_path / "people", [3, 3])), tmp_path / "run" / "teacher.lessons")


def chips_seen(tutor: Tutor) -> int:
    assert isinstance(tutor.network, TinyTeacher)
    return tutor.network.chips_seen


def test_what_is_kept_is_what_the_teacher_says(asked: Asked) -> None:
    tutor = tiny_tutor()
    found = asked.ask(tutor)
    assert found.points.shape == (6, 5, 2)
    assert found.embedding.shape == (6, 2, EMBEDDING)
    frames = torch.from_numpy(load_frames(asked.people, TINY_SPEC, whole=True).pixels).permute(0, 3, 1, 2)
    to_crop = chip_transforms(torch.from_numpy(found.points))
    for side, mirrored in enumerate((False, True)):
        with torch.no_grad():
            expected = tutor.network(chips(frames, to_crop, torch.full((6,), mirrored)))
        torch.testing.assert_close(torch.from_numpy(found.embedding[:, side]), expected, atol=1e-4, rtol=1e-4)
    assert len({tuple(row) for row in found.embedding[:, 0].tolist()}) == 6


def test_each_image_is_asked_about_once(asked: Asked) -> None:
    first = asked.ask(tiny_tutor())
    again = tiny_tutor()
    second = asked.ask(again)
    assert chips_seen(again) == 0
    assert np.array_equal(first.embedding, second.embedding)


def test_a_changed_image_is_asked_about_again(asked: Asked) -> None:
    first = asked.ask(tiny_tutor())
    changed = asked.people.identities[1].paths[0]
    assert cv2.imwrite(str(changed), 255 - read_image(changed))
    again = tiny_tutor()
    second = asked.ask(again)
    assert chips_seen(again) == 2  # the chip and its mirror image
    differs = np.abs(first.embedding - second.embedding).max(axis=(1, 2)) > 1e-3
    assert differs.tolist() == [False, False, False, True, False, False]


def test_another_teacher_is_asked_about_everyone(asked: Asked) -> None:
    asked.ask(tiny_tutor())
    other = tiny_tutor(sha256="1" * 64)
    asked.ask(other)
    assert chips_seen(other) == 12


def test_another_cropping_is_another_key() -> None:
    spec = whole_spec(TINY_SPEC)
    assert (spec.size_hw, spec.center_share) == ((40, 40), 1.0)
    assert lesson_key(tiny_tutor(), spec) == lesson_key(tiny_tutor(), spec)
    assert lesson_key(tiny_tutor(), spec) != lesson_key(tiny_tutor(), replace(spec, size_hw=(41, 41)))


class Interrupted(BaseException):
    """As a signal would."""


def test_interrupted_work_is_taken_up(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "_IMAGES_PER_CALL", 2)
    monkeypatch.setattr(lessons, "_CALLS_PER_SAVE", 1)
    plain = tiny_tutor()
    seen = 0

    def until_the_fifth(crop: np.ndarray) -> Landmarks:
        nonlocal seen
        seen += 1
        if seen == 5:
            raise Interrupted
        return plain.find_landmarks(crop)

    with pytest.raises(Interrupted):
        asked.ask(replace(plain, find_landmarks=until_the_fifth))
    again = tiny_tutor()
    asked.ask(again)
    assert chips_seen(again) == 4  # two images of six, each twice


def test_the_user_is_told_where_personal_data_lie_and_how_many_faces_were_not_found(asked: Asked) -> None:
    asked.ask(tiny_tutor(detected=False))
    assert str(asked.file) in asked.said[0]
    assert "embeddings of these people" in asked.said[0]
    assert asked.said[1].startswith("6 of 6 images show the teacher no face")
    asked.said.clear()
    asked.ask(tiny_tutor())
    assert asked.said == []  # nothing new is kept


def test_an_image_that_cannot_be_read_is_refused(asked: Asked) -> None:
    tutor = tiny_tutor()
    pixels = load_frames(asked.people, TINY_SPEC, whole=True).pixels
    broken = asked.people.identities[0].paths[0]
    broken.write_bytes(b"no picture")
    asking = Asking(file=asked.file, device=torch.device("cpu"), progress=False, say=asked.said.append)
    with pytest.raises(DataError):
        ask(tutor, Pupils([broken], pixels[:1], whole_spec(TINY_SPEC)), asking)
    assert not asked.file.exists()
