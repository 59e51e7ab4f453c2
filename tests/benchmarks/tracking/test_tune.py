"""The search: legal settings, of everybody, on scenes that are not reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crystaledge.tracking.config import TrackerConfig
from crystaledge_benchmarks.tracking import tune
from crystaledge_benchmarks.tracking.folder import SharedFolder
from crystaledge_benchmarks.tracking.paths import Kind


def test_settings_are_legal_and_differ() -> None:
    random = np.random.default_rng(0)
    drawn = {tune._mutated(TrackerConfig(), random) for _ in range(50)}
    assert len(drawn) == 50


def test_every_setting_that_is_searched_is_one() -> None:
    config = TrackerConfig()
    assert all(hasattr(config, name) for name in tune.OURS)
    assert all(hasattr(config.motion, name) for name in tune.NOISE)


def test_the_peers_grid_has_every_combination() -> None:
    grid = tune._grid()
    assert len(grid) == sum(int(np.prod([len(v) for v in ranges.values()])) for ranges in tune.PEERS.values())
    assert all(set(settings) == set(tune.PEERS[kind]) for kind, settings in grid.values())


def test_the_best_come_first(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def measured(self: SharedFolder, python: Path, **_: object) -> dict[str, dict[str, dict[str, float]]]:
        assert sorted(p.name for p in self.path.glob("*.npz")) == ["linear-100.npz"]
        answers = sorted(p.stem for p in (self.path / "linear-100").iterdir())
        assert answers == ["#000", "#000+", "#001", "#001+"]
        return {"linear-100": {a: {"IDF1": 0.5 + 0.1 * i, "IDSW": 0.0} for i, a in enumerate(answers)}}

    monkeypatch.setattr(SharedFolder, "measure", measured)
    monkeypatch.setattr(tune, "SEEDS", (100,))
    monkeypatch.setattr(tune, "Kind", (Kind.LINEAR,))
    assert tune.main(["--peers-python", "python", "--trials", "1"]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["#001+", "#001", "#000+", "#000"]
