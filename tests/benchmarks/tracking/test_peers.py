"""What the other interpreter runs, as far as it runs here: the form that trackeval takes, and who is called how."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from crystaledge_benchmarks.tracking import peers

SCENE: dict[str, Any] = {
    "time_s": np.array([0.0, 0.04, 0.08]),
    "det_frame": np.array([0, 0, 2]),
    "det_box": np.array([[0, 0, 10, 10], [50, 0, 60, 10], [0, 0, 10, 20]], np.float32),
    "det_score": np.array([0.9, 0.8, 0.7], np.float32),
    "gt_frame": np.array([0, 1, 2]),
    "gt_person": np.array([4, 4, 4]),
    "gt_box": np.array([[0, 0, 10, 10]] * 3, np.float32),
}


def test_ids_are_dense_and_unfollowed_detections_are_left_out() -> None:
    data = peers.as_trackeval(SCENE, np.array([70, -1, 70]))
    assert (data["num_timesteps"], data["num_gt_ids"], data["num_tracker_ids"]) == (3, 1, 1)
    assert (data["num_gt_dets"], data["num_tracker_dets"]) == (3, 2)
    assert [i.tolist() for i in data["gt_ids"]] == [[0], [0], [0]]
    assert [i.tolist() for i in data["tracker_ids"]] == [[0], [], [0]]
    assert [s.tolist() for s in data["similarity_scores"]] == [[[1.0]], [[]], [[0.5]]]


class FakeTracker:
    """Answers in reverse order, as the real ones may, and notes what it was told."""

    told: list[tuple[float, int]] = []  # noqa: RUF012

    def __init__(self, frame_rate: float, **settings: Any) -> None:
        assert (frame_rate, settings) == (25.0, {"lost_track_buffer": 60})

    def update(self, detections: Any, timestamp: float) -> Any:
        FakeTracker.told.append((timestamp, len(detections)))
        return detections.reversed()


class FakeDetections:
    def __init__(self, *, xyxy: Any, confidence: Any, data: dict[str, Any]) -> None:
        assert len(xyxy) == len(confidence) == len(data["row"])
        self.data, self.tracker_id = data, np.zeros(0, int)

    def __len__(self) -> int:
        return len(self.data["row"])

    def reversed(self) -> FakeDetections:
        self.data = {"row": self.data["row"][::-1]}
        self.tracker_id = self.data["row"] + 100
        return self


class FakeMetric:
    def __init__(self, config: object = None) -> None:
        pass

    def eval_sequence(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"IDF1": data["num_tracker_dets"], "MOTA": 0.5, "IDSW": 2, "Frag": 3, "HOTA": np.array([0.2, 0.4])}


@pytest.fixture
def other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {
        "supervision": SimpleNamespace(Detections=FakeDetections),
        "trackers": SimpleNamespace(SORTTracker=FakeTracker),
        "trackeval.metrics": SimpleNamespace(Identity=FakeMetric, CLEAR=FakeMetric, HOTA=FakeMetric),
    }
    monkeypatch.setattr(peers, "import_module", modules.__getitem__)
    monkeypatch.setattr(FakeTracker, "told", [])


@pytest.mark.usefixtures("other_packages")
def test_answers_go_to_the_detections_they_are_about_and_times_are_told() -> None:
    number, cost_ms = peers.follow(SCENE, "SORTTracker", {"lost_track_buffer": 60})
    assert number.tolist() == [100, 101, 102]
    assert FakeTracker.told == [(0.0, 2), (0.04, 0), (0.08, 1)] and cost_ms.shape == (3,)


@pytest.mark.usefixtures("other_packages")
def test_a_folder_is_run_and_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "linear-0.npz", **SCENE)
    (tmp_path / "linear-0").mkdir()
    np.savez(tmp_path / "linear-0" / "Ours.npz", number=np.array([1, -1, -1]), cost_ms=np.array([1.0, 3.0, 2.0]))
    chosen = tmp_path / "peers.json"
    chosen.write_text(json.dumps({"SORT": ["SORTTracker", {"lost_track_buffer": 60}]}))
    monkeypatch.setattr("sys.argv", ["peers.py", str(tmp_path), "--peers", str(chosen)])
    assert peers.main() == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())["linear-0"]
    assert set(metrics) == {"Ours", "SORT"} and metrics["SORT"]["IDF1"] == 3
    assert metrics["Ours"] == {"IDF1": 1, "MOTA": 0.5, "IDSW": 2, "Frag": 3, "HOTA": pytest.approx(0.3), "cost_ms": 2.0}
