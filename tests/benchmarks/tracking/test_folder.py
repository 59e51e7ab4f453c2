"""The folder between two interpreters."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from crystaledge.errors import UsageError
from crystaledge_benchmarks.tracking import folder as folder_module
from crystaledge_benchmarks.tracking.folder import SharedFolder, kind_of, scene_name
from crystaledge_benchmarks.tracking.ours import Answer
from crystaledge_benchmarks.tracking.paths import Kind
from crystaledge_benchmarks.tracking.scenes import scene_of
from tests.support.messages import message_of

SCRIPT = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
found = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.npz"))
(folder / "metrics.json").write_text(json.dumps({"found": found, "arguments": sys.argv[2:]}))
"""


def test_the_other_side_finds_scenes_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(folder_module, "PEERS_SCRIPT", script)
    shared = SharedFolder(tmp_path / "shared")
    shared.path.mkdir()
    shared.add_scene(Kind.LINEAR, 3, scene_of(Kind.LINEAR, 3))
    shared.add_answer(Kind.LINEAR, 3, "Ours", Answer(np.zeros(5, np.int64), np.ones(2)))
    told = shared.measure(Path(sys.executable), peers={"SORT": ("SORTTracker", {})}, quick=True)
    assert told["found"] == ["linear-3.npz", "linear-3/Ours.npz"]  # type: ignore[comparison-overlap]
    assert list(told["arguments"]) == ["--peers", str(shared.path / "peers.json"), "--quick"]


def test_an_interpreter_without_the_peers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script.py"
    script.write_text("import a_package_that_nobody_has")
    monkeypatch.setattr(folder_module, "PEERS_SCRIPT", script)
    for python, told in ((Path(sys.executable), "a_package_that_nobody_has"), (tmp_path / "none", "No such file")):
        with pytest.raises(UsageError) as raised:
            SharedFolder(tmp_path).measure(python)
        assert told in message_of(raised)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_scene_s_name_tells_its_kind(kind: Kind) -> None:
    assert kind_of(scene_name(kind, 12)) is kind
