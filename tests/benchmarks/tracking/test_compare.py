"""The table of the comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystaledge_benchmarks.tracking.compare import main, table


def metrics(idf1: float, switches: float) -> dict[str, float]:
    return {"HOTA": 0.5, "IDF1": idf1, "MOTA": 0.25, "IDSW": switches, "Frag": 4.0, "cost_ms": 0.25}


def test_rows_are_means_over_seeds_by_kind_and_for_all() -> None:
    text = table(
        {
            "linear-0": {"Ours": metrics(0.8, 1), "SORT": metrics(0.2, 9)},
            "linear-1": {"Ours": metrics(0.6, 2), "SORT": metrics(0.4, 9)},
            "hidden-0": {"Ours": metrics(1.0, 0), "SORT": metrics(0.9, 0)},
        }
    )
    rows = [line.split() for line in text.splitlines()]
    assert rows[0] == ["scene", "tracker", "HOTA", "IDF1", "MOTA", "IDSW", "Frag", "cost_ms"]
    assert rows[1] == ["linear", "Ours", "50.0", "70.0", "25.0", "1.5", "4.0", "0.250"]
    assert [row[:2] + row[3:4] for row in rows[2:]] == [
        ["linear", "SORT", "30.0"],
        ["hidden", "Ours", "100.0"],
        ["hidden", "SORT", "90.0"],
        ["all", "Ours", "80.0"],
        ["all", "SORT", "50.0"],
    ]


def test_without_the_peers_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--peers-python", str(tmp_path / "none"), "--seeds", "0"]) == 2
    told = capsys.readouterr()
    assert told.out == "" and "could not run the peers" in told.err
