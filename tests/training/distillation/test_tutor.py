"""Where the teacher's packages are absent, one sentence says which extra brings them."""

from __future__ import annotations

import sys

import pytest

from crystaledge.errors import MissingExtraError
from crystaledge_training.distillation.tutor import OUTSIDE_DATA, Teacher, load_tutor


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("landmarks", "teacher_weights"):
        monkeypatch.delitem(sys.modules, f"crystaledge_training.distillation.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "dlib", None)
    monkeypatch.setattr("importlib.metadata.distribution", _absent)
    with pytest.raises(MissingExtraError, match=r"dlib_resnet needs .*crystaledge\[distill\]"):
        load_tutor(Teacher.DLIB_RESNET)


def _absent(name: str) -> object:
    raise ModuleNotFoundError(name, name=name)


@pytest.mark.parametrize("teacher", list(Teacher))
def test_every_teacher_has_a_sentence_for_the_model_card(teacher: Teacher) -> None:
    assert OUTSIDE_DATA[teacher].startswith("distilled from")
