"""The official lists decide who is measured; nobody who was trained on is."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import DataError
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.images import read_image
from crystaledge_benchmarks.identity.people import Faces, read_faces
from tests.benchmarks.identity.conftest import IMAGES, TEST_PEOPLE, TRAINEES, write_people


def test_people_and_pairs_are_those_of_the_lists(faces: Faces) -> None:
    assert faces.people.names == tuple(f"Test_{number}" for number in range(TEST_PEOPLE))
    assert len(faces.people.pixels) == TEST_PEOPLE * IMAGES
    assert faces.view1.test.same.tolist() == [True] * TEST_PEOPLE + [False] * TEST_PEOPLE
    assert faces.view1.test.person.tolist() == [*range(TEST_PEOPLE)] * 2
    assert len(faces.view1.training.first) == 2 * TRAINEES
    assert faces.orl is not None
    assert len(faces.orl.names) == 4


def test_pairs_see_what_people_see(faces: Faces, lfw: Path, tiny_bundle_path: Path) -> None:
    image = read_image(lfw / "images/Test_2/Test_2_0001.png")
    spec = Bundle.open(tiny_bundle_path).manifest.preprocessing
    crop = Preprocessor(spec).resize(image, ColorOrder.BGR)
    np.testing.assert_array_equal(faces.view1.crops[faces.view1.test.first[2]], crop)
    np.testing.assert_array_equal(faces.people.pixels[faces.people.rows_of(2)[0]], crop)


def test_without_orl_there_is_none(lfw: Path, tiny_bundle_path: Path) -> None:
    assert read_faces(lfw, None, Bundle.open(tiny_bundle_path).manifest.preprocessing).orl is None


def test_a_trainee_among_the_test_people_is_refused(lfw: Path, tiny_bundle_path: Path, tmp_path: Path) -> None:
    shutil.copytree(lfw, tmp_path / "lfw")
    write_people(tmp_path / "lfw/peopleDevTrain.txt", ["Train_0", "Test_1"])
    with pytest.raises(DataError, match="1 people are in LFW's training and test list"):
        read_faces(tmp_path / "lfw", None, Bundle.open(tiny_bundle_path).manifest.preprocessing)
