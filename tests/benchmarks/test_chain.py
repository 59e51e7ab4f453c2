"""The demo's chain: what it says when torch is missing, and when a check fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystaledge.scene.scene import SceneConfig
from crystaledge_benchmarks.demo import chain
from crystaledge_benchmarks.demo.chain import run_chain
from crystaledge_benchmarks.demo.report import demo_html
from crystaledge_benchmarks.demo.stage import Status

SCENE = SceneConfig(people=2, frames_per_person=6, side_px=48)


@pytest.fixture(autouse=True)
def _few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "LATENCY_ROUNDS", 20)


def test_without_torch_the_embedded_bundle_runs_and_the_rest_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(chain, "torch_reference", lambda: None)
    said: list[str] = []
    result = run_chain(tmp_path, scene=SCENE, say=said.append)
    states = {stage.name: stage.status for stage in result.stages}
    assert states["export"] is Status.NOT_RUN
    assert states["closed loop against torch"] is Status.NOT_RUN
    assert states["golden sequences"] is Status.PASSED
    assert result.passed
    assert any("pip install" in line for line in said)
    page = demo_html(result)
    assert "not run" in page and "torch is not installed" in page


def test_a_failed_check_fails_the_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(chain, "torch_reference", lambda: None)
    monkeypatch.setattr(chain, "TOLERANCE", 0.0)
    result = run_chain(tmp_path, scene=SCENE, say=lambda line: None)
    assert not result.passed
    assert result.stages[1].status is Status.FAILED
    assert "failed" in demo_html(result)
