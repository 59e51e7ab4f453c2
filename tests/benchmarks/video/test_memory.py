"""Memory is read and its growth counted from where a run has settled."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystaledge.errors import DataError
from crystaledge_benchmarks.video.memory import growth, measure, resident_kb
from crystaledge_benchmarks.video.setup import Setup
from tests.benchmarks.video.conftest import FILM


def test_growth_is_from_a_tenth_to_the_end() -> None:
    assert growth([500, *[100] * 8, 120, *[130] * 89, 160]) == 40
    assert growth([5, 7]) == 2


def test_resident_memory_is_read_where_the_system_tells(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmRSS:\t   1234 kB\n")
    assert resident_kb(status) == 1234
    status.write_text("Name:\tpython\n")
    for path in (status, tmp_path / "absent"):
        with pytest.raises(DataError, match="measure it on Linux"):
            resident_kb(path)


def test_a_film_is_fed_in_a_circle(setup: Setup) -> None:
    result = measure(setup, frames=25, film=FILM)
    assert result.frames == 25
    assert len(result.rss_kb) == 25  # fewer frames than samples: one a frame
    assert result.growth_kb == growth(list(result.rss_kb))
    assert result.ended <= result.appeared
