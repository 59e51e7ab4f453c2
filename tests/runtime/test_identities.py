"""Catalogues of people from folders and lists, and splits that never divide a person."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import DataError
from crystaledge.sources.identities import (
    Catalogue,
    Identity,
    read_catalogue,
    read_lfw_people,
    split_by_identity,
)


def touch(root: Path, *names: str) -> Path:
    """Empty files; a catalogue does not open images."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def people(count: int, images: int = 2) -> Catalogue:
    return Catalogue(
        Path("nowhere"),
        tuple(Identity(f"p{i:03d}", tuple(Path(f"p{i:03d}/{k}.png") for k in range(images))) for i in range(count)),
    )


class TestCatalogue:
    def test_reads_folders_of_people_whatever_the_image_format(self, tmp_path: Path) -> None:
        touch(tmp_path, "b/1.jpg", "b/2.JPG", "a/x.png", "c/10.pgm", "c/9.pgm", "c/notes.txt")
        catalogue = read_catalogue(tmp_path)
        found = {i.name: [p.name for p in i.paths] for i in catalogue.identities}
        assert found == {"a": ["x.png"], "b": ["1.jpg", "2.JPG"], "c": ["9.pgm", "10.pgm"]}
        assert list(found) == ["a", "b", "c"]
        assert catalogue.image_count == 5
        assert all(path.is_file() for i in catalogue.identities for path in i.paths)

    def test_looks_into_images_where_there_is_such_a_folder(self, tmp_path: Path) -> None:
        touch(tmp_path, "images/a/1.jpg", "images/b/1.jpg", "lists/readme.jpg")
        catalogue = read_catalogue(tmp_path)
        assert [i.name for i in catalogue.identities] == ["a", "b"]
        assert catalogue.root == tmp_path / "images"

    def test_leaves_out_people_without_an_image(self, tmp_path: Path) -> None:
        touch(tmp_path, "a/1.jpg", "b/readme.txt")
        assert [i.name for i in read_catalogue(tmp_path).identities] == ["a"]

    def test_images_beside_the_people_belong_to_nobody(self, tmp_path: Path) -> None:
        touch(tmp_path, "a/1.jpg", "cover.jpg", "a/deeper/2.jpg")
        assert read_catalogue(tmp_path).image_count == 1

    def test_refuses_a_folder_without_people(self, tmp_path: Path) -> None:
        touch(tmp_path, "1.jpg", "empty/readme.txt")
        with pytest.raises(DataError, match="holds no identity with an image"):
            read_catalogue(tmp_path)

    def test_refuses_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="does not exist"):
            read_catalogue(tmp_path / "nobody")

    def test_refuses_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="does not exist"):
            read_catalogue(touch(tmp_path, "a.jpg") / "a.jpg")

    def test_keeps_those_with_enough_images(self, tmp_path: Path) -> None:
        touch(tmp_path, "a/1.jpg", "b/1.jpg", "b/2.jpg", "c/1.jpg", "c/2.jpg", "c/3.jpg")
        catalogue = read_catalogue(tmp_path)
        assert [i.name for i in catalogue.with_at_least(2).identities] == ["b", "c"]
        assert [i.name for i in catalogue.with_at_least(3).identities] == ["c"]

    def test_keeps_the_people_of_a_list(self) -> None:
        assert [i.name for i in people(4).only(frozenset({"p003", "p001"})).identities] == ["p001", "p003"]

    def test_refuses_a_list_with_a_stranger(self) -> None:
        with pytest.raises(DataError, match="2 people of the list have no images under nowhere, ann for one"):
            people(4).only(frozenset({"p003", "zoe", "ann"}))


class TestLfwList:
    def test_reads_a_count_and_names(self, tmp_path: Path) -> None:
        file = tmp_path / "people.txt"
        file.write_text("2\nAaron_Peirsol\t4\nBjörn_Borg\t1\n\n", encoding="utf-8")
        assert read_lfw_people(file) == {"Aaron_Peirsol", "Björn_Borg"}

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (b"", "expected a count"),
            (b"Aaron_Peirsol\t4\n", "expected a count"),
            (b"1\n\xff\xfe\t4\n", "expected a count"),
            (b"3\na\t1\nb\t1\n", "announces 3 people and names 2"),
            (b"1\na\t1\nb\t1\n", "announces 1 people and names 2"),
            (b"2\na\t1\na\t1\n", "announces 2 people and names 1"),
        ],
    )
    def test_refuses_what_is_no_such_list(self, tmp_path: Path, text: bytes, says: str) -> None:
        file = tmp_path / "people.txt"
        file.write_bytes(text)
        with pytest.raises(DataError, match=says):
            read_lfw_people(file)

    def test_refuses_a_list_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="Cannot read the people list"):
            read_lfw_people(tmp_path / "people.txt")

    def test_official_lists_agree_with_the_folders_and_share_nobody(self, data_dir: Path) -> None:
        lfw = data_dir / "lfw"
        train, test = (read_lfw_people(lfw / f"peopleDev{part}.txt") for part in ("Train", "Test"))
        catalogue = read_catalogue(lfw)
        assert (len(train), len(test)) == (4038, 1711)
        assert not train & test
        assert (len(catalogue.identities), catalogue.image_count) == (5749, 13_233)
        assert len(catalogue.only(train).identities) == 4038


class TestSplit:
    @given(count=st.integers(4, 60), held_out=st.floats(0.05, 0.95), seed=st.integers(0, 1000))
    def test_divides_people_and_never_a_person(self, count: int, held_out: float, seed: int) -> None:
        catalogue, cut = people(count), round(count * held_out)
        if min(cut, count - cut) < 2:
            with pytest.raises(DataError, match="cannot be split"):
                split_by_identity(catalogue, held_out=held_out, seed=seed)
            return
        training, validation = split_by_identity(catalogue, held_out=held_out, seed=seed)
        first, second = ({i.name for i in part.identities} for part in (training, validation))
        assert not first & second
        assert first | second == {i.name for i in catalogue.identities}
        assert len(second) == cut
        for part in (training, validation):
            assert set(part.identities) <= set(catalogue.identities)  # with all their images
            assert list(part.identities) == sorted(part.identities, key=lambda i: i.name)

    def test_is_a_function_of_the_seed(self) -> None:
        catalogue = people(40)
        first = split_by_identity(catalogue, held_out=0.3, seed=1)
        assert split_by_identity(catalogue, held_out=0.3, seed=1) == first
        assert split_by_identity(catalogue, held_out=0.3, seed=2) != first

    @pytest.mark.parametrize("count", [1, 3])
    def test_refuses_too_few_people(self, count: int) -> None:
        with pytest.raises(DataError, match=f"{count} identities cannot be split"):
            split_by_identity(people(count), held_out=0.5, seed=0)
