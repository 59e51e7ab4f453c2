"""LFW's lists of pairs, read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystaledge.errors import DataError
from crystaledge.sources.identities import Catalogue, Identity
from crystaledge_training.data.lfw_pairs import read_lfw_pairs


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Three people with three images, by name alone; pairs never open them."""
    people = []
    for name in ("Ada_L", "Bo", "Cy"):
        people.append(Identity(name, tuple(tmp_path / name / f"{name}_{n:04d}.jpg" for n in (1, 2, 3))))
    return Catalogue(tmp_path, tuple(people))


def listed(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "pairs.txt"
    file.write_text(text, encoding="utf-8")
    return file


def test_pairs_are_images_and_truth(tmp_path: Path, catalogue: Catalogue) -> None:
    pairs = read_lfw_pairs(listed(tmp_path, "1\nAda_L\t1\t3\nBo\t2\tCy\t1\n"), catalogue)
    assert [pair.same for pair in pairs] == [True, False]
    assert [(pair.first.name, pair.second.name) for pair in pairs] == [
        ("Ada_L_0001.jpg", "Ada_L_0003.jpg"),
        ("Bo_0002.jpg", "Cy_0001.jpg"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x\n",
        "1\nAda_L\t1\t3\n",
        "1\nAda_L\t1\t9\nBo\t2\tCy\t1\n",
        "1\nAda_L\t1\t3\nBo\t2\tNobody\t1\n",
        "1\nAda_L\tone\t3\nBo\t2\tCy\t1\n",
        "1\nAda_L\t1\nBo\t2\tCy\t1\n",
        "1\nAda_L\t1\t2\t3\t4\nBo\t2\tCy\t1\n",
    ],
)
def test_what_is_no_such_list_is_refused(tmp_path: Path, catalogue: Catalogue, text: str) -> None:
    with pytest.raises(DataError, match="pairs list"):
        read_lfw_pairs(listed(tmp_path, text), catalogue)


def test_a_missing_list_is_refused(tmp_path: Path, catalogue: Catalogue) -> None:
    with pytest.raises(DataError, match="Cannot read the pairs list"):
        read_lfw_pairs(tmp_path / "none.txt", catalogue)
