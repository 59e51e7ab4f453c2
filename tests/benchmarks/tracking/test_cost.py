"""The cost is measured on tracks that are there."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge_benchmarks.tracking.cost import costs, main


def test_each_frame_counts_once() -> None:
    cost_ms = costs(faces=3, frames=20)
    assert cost_ms.shape == (20,) and (cost_ms > 0).all() and np.isfinite(cost_ms).all()


def test_it_prints_percentiles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--faces", "2", "--frames", "30"]) == 0
    assert capsys.readouterr().out.startswith("2 faces, 30 frames: p50 ")
