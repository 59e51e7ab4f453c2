"""What a machine's own files say about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystaledge.board import Board, read_board

ORIN = (
    "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan  8 01:49:37 UTC 2025"
)


def machine(root: Path, **files: str) -> Path:
    """A root with some files; dots in a name stand for folders."""
    for name, text in files.items():
        path = root / {"l4t": "etc/nv_tegra_release", "tree": "proc/device-tree/model"}.get(
            name, "sys/class/dmi/id/product_name"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return root


def test_a_jetson_is_known_by_its_release_and_its_model(tmp_path: Path) -> None:
    board = read_board(machine(tmp_path, l4t=ORIN, tree="NVIDIA Jetson Orin Nano Developer Kit\0"))
    assert board == Board(model="NVIDIA Jetson Orin Nano Developer Kit", l4t="36.4.3", jetpack="6.2")
    assert board.is_jetson


@pytest.mark.parametrize(
    ("release", "l4t", "jetpack"),
    [
        ("# R35 (release), REVISION: 4.1, GCID: 1", "35.4.1", "5.1"),
        ("# R36 (release), REVISION: 3.0, GCID: 1", "36.3.0", "6.0"),
        ("# R36 (release), REVISION: 5.0, GCID: 1", "36.5.0", "6.2.2"),
        ("# R38 (release), REVISION: 2.0, GCID: 1", "38.2.0", "7.0"),
        ("# R38 (release), REVISION: 4.0, GCID: 1", "38.4.0", "7.1"),
        ("# R39 (release), REVISION: 2.0, GCID: 1", "39.2.0", "7.2"),
        ("# R32 (release), REVISION: 7.1, GCID: 1", "32.7.1", "unknown"),
    ],
)
def test_a_release_brings_a_jetpack(release: str, l4t: str, jetpack: str, tmp_path: Path) -> None:
    board = read_board(machine(tmp_path, l4t=release))
    assert (board.l4t, board.jetpack, board.is_jetson) == (l4t, jetpack, True)
    assert board.model == "unknown"


@pytest.mark.parametrize("release", ["", "no release at all", "# R (release), REVISION: x"])
def test_a_file_that_says_nothing_makes_no_jetson(release: str, tmp_path: Path) -> None:
    board = read_board(machine(tmp_path, l4t=release, dmi="A server\n"))
    assert board == Board(model="A server", l4t="none", jetpack="none")
    assert not board.is_jetson


def test_a_machine_without_any_of_the_files_is_unknown(tmp_path: Path) -> None:
    assert read_board(tmp_path) == Board(model="unknown", l4t="none", jetpack="none")


def test_files_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    (tmp_path / "etc/nv_tegra_release").mkdir(parents=True)
    assert read_board(tmp_path).l4t == "none"
    assert read_board(machine(tmp_path, tree="caf\udce9\0")).model == "caf\N{REPLACEMENT CHARACTER}"
