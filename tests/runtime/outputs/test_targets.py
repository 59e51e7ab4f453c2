"""Names of recordings: harmless, apart from one another, and never those of other people's files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import OutputExistsError
from crystaledge.outputs.targets import Targets
from tests.support.messages import message_of


def test_one_sequence_has_the_path_itself(tmp_path: Path) -> None:
    targets = Targets(tmp_path / "out.mp4", force=False)
    targets.add("door")
    assert "door" in targets
    assert targets["door"] == tmp_path / "out.mp4"


def test_several_have_names(tmp_path: Path) -> None:
    targets = Targets(tmp_path / "out.mp4", force=False)
    for sequence in ("cam/1", "cam_1", "../../etc"):
        targets.add(sequence)
    assert targets["cam/1"] == tmp_path / "out.cam_1.mp4"
    assert targets["cam_1"] == tmp_path / "out.cam_1-2.mp4"
    assert targets["../../etc"].parent == tmp_path


@given(st.lists(st.text(max_size=200), min_size=2, max_size=6, unique=True))
def test_any_names_stay_apart_and_in_the_folder(sequences: list[str]) -> None:
    targets = Targets(Path("/nowhere/out.mp4"), force=False)
    for sequence in sequences:
        targets.add(sequence)
    paths = [targets[sequence] for sequence in sequences]
    assert len(set(paths)) == len(paths)
    assert all(path.parent == Path("/nowhere") and path.suffix == ".mp4" for path in paths)


def test_an_existing_path_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match="exists already"):
        Targets(tmp_path / "out.mp4", force=False)
    Targets(tmp_path / "out.mp4", force=True)


@pytest.mark.parametrize("name", ["out.first.mp4", "out.second.mp4"])
def test_an_existing_file_of_a_sequence_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    targets = Targets(tmp_path / "out.mp4", force=False)
    targets.add("first")
    with pytest.raises(OutputExistsError) as raised:
        targets.add("second")
    assert name in message_of(raised)
    assert "second" not in targets
    assert targets["first"] == tmp_path / "out.mp4"


def test_an_existing_file_of_a_later_sequence_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.third.mp4").write_bytes(b"mine")
    targets = Targets(tmp_path / "out.mp4", force=False)
    targets.add("first")
    targets.add("second")
    with pytest.raises(OutputExistsError, match=r"out\.third\.mp4"):
        targets.add("third")
    forced = Targets(tmp_path / "out.mp4", force=True)
    for sequence in ("first", "second", "third"):
        forced.add(sequence)
