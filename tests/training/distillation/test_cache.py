"""Rows on disk by image: found again, never mistaken, never readable by others, and refused where damaged."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from crystaledge.errors import DataError
from crystaledge.files import sha256_of
from crystaledge_training.distillation.cache import LessonCache, Lessons

DIGESTS = [sha256_of(bytes([i])) for i in range(4)]


def lessons(count: int, *, seed: int = 0) -> Lessons:
    generator = np.random.default_rng(seed)
    points, embedding = generator.normal(size=(count, 5, 2)), generator.normal(size=(count, 2, 3))
    return Lessons(points.astype(np.float32), embedding.astype(np.float32))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "teacher.lessons"
    cache = LessonCache(path, key="dlib")
    cache.add(DIGESTS[:3], lessons(3))
    cache.save(DIGESTS[:3])
    return path


def test_rows_are_found_again_in_the_order_asked(file: Path) -> None:
    cache = LessonCache(file, key="dlib")
    assert cache.missing(DIGESTS) == [3]
    found = cache.of([DIGESTS[2], DIGESTS[0], DIGESTS[2]])
    assert np.array_equal(found.points, lessons(3).points[[2, 0, 2]])
    assert np.array_equal(found.embedding, lessons(3).embedding[[2, 0, 2]])


def test_another_key_finds_nothing(file: Path) -> None:
    assert LessonCache(file, key="another").missing(DIGESTS) == [0, 1, 2, 3]


def test_only_the_owner_may_read_it(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_people_who_are_left_out_are_forgotten(file: Path) -> None:
    cache = LessonCache(file, key="dlib")
    cache.save([DIGESTS[1], DIGESTS[3]])  # the fourth is not known yet
    assert LessonCache(file, key="dlib").missing(DIGESTS) == [0, 2, 3]


def test_nothing_is_written_before_it_is_saved(tmp_path: Path) -> None:
    cache = LessonCache(tmp_path / "none", key="dlib")
    cache.add(DIGESTS, lessons(4))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_image_has_no_row(file: Path) -> None:
    with pytest.raises(KeyError):
        LessonCache(file, key="dlib").of([DIGESTS[3]])


@pytest.mark.parametrize("spoil", ["cut", "noise", "empty", "foreign", "wrong shape"])
def test_a_damaged_file_is_refused(file: Path, spoil: str) -> None:
    whole = file.read_bytes()
    if spoil == "foreign":
        save_file({"a": np.zeros(3)}, file)
    elif spoil == "wrong shape":
        file.write_bytes(whole.replace(b'"shape":[3,5,2]', b'"shape":[3,2,5]').replace(b"[3,2,3]", b"[3,6,1]"))
        file.write_bytes(file.read_bytes().replace(b'"dtype":"F32"', b'"dtype":"I32"'))
    else:
        file.write_bytes({"cut": whole[:-5], "noise": b"\x07" * 100, "empty": b""}[spoil])
    with pytest.raises(DataError, match="remove it"):
        LessonCache(file, key="dlib")
