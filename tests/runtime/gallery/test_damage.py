"""Truncated files, flipped bytes, and files that are something else: one clear line, or exactly what was there."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from crystaledge.gallery.errors import GalleryError
from tests.runtime.gallery.galleries import enrol, opened, seed_of, template
from tests.support.messages import message_of

PEOPLE = tuple(f"person {number}" for number in range(20))
PAGE = 4096


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Bytes of a gallery of twenty people."""
    path = tmp_path_factory.mktemp("sound") / "gallery.db"
    with opened(path) as store:
        enrol(store, *PEOPLE)
        store.forget(PEOPLE[3])
    return path.read_bytes()


def outcome(path: Path) -> str:
    """The line in which the file is refused, or `sound` where all of it is as it was."""
    try:
        with opened(path, create=True) as store:
            found = {name: value.to_bytes() for name, value in store.templates().items()}
            assert store.verify_audit() == len(PEOPLE) + 1
    except GalleryError as error:
        assert len(str(error).splitlines()) == 1
        return str(error)
    assert found == {name: template(seed_of(name)).to_bytes() for name in PEOPLE if name != PEOPLE[3]}
    return "sound"


def test_the_whole_file_is_sound(tmp_path: Path, sound: bytes) -> None:
    (tmp_path / "gallery.db").write_bytes(sound)
    assert outcome(tmp_path / "gallery.db") == "sound"


@pytest.mark.parametrize("place", [0, 1, 50, 99, 100, PAGE - 1, PAGE, PAGE + 1, *range(-40, 0, 8)])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, sound: bytes, place: int) -> None:
    (tmp_path / "gallery.db").write_bytes(sound[:place])
    assert outcome(tmp_path / "gallery.db") != "sound"
    assert (tmp_path / "gallery.db").read_bytes() == sound[:place]


def test_a_file_that_was_cut_off_anywhere_is_refused(tmp_path: Path, sound: bytes) -> None:
    places = random.Random(5)
    for number in range(60):
        path = tmp_path / f"{number}.db"
        path.write_bytes(sound[: places.randrange(len(sound))])
        assert outcome(path) != "sound"


def test_flipped_bytes_are_refused_or_harmless(tmp_path: Path, sound: bytes) -> None:
    chance, outcomes = random.Random(6), set()
    for number in range(250):
        damaged = bytearray(sound)
        for _ in range(chance.choice((1, 1, 30))):
            damaged[chance.randrange(len(damaged))] ^= chance.randrange(1, 256)
        path = tmp_path / f"{number}.db"
        path.write_bytes(damaged)
        outcomes.add(outcome(path))
    assert len(outcomes) > 3, "the flips met too little to say anything"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", "is no gallery, or was emptied", id="empty"),
        pytest.param(b"name,observations\n" * 400, "is no gallery, or is damaged", id="text"),
        pytest.param(bytes(PAGE * 3), "is no gallery", id="zeros"),
    ],
)
def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "gallery.db").write_bytes(content)
    with pytest.raises(GalleryError) as raised:
        opened(tmp_path / "gallery.db", create=True)
    assert expected in message_of(raised)
    assert (tmp_path / "gallery.db").read_bytes() == content
