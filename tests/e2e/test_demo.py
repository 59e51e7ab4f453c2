"""`crystaledge demo`: no arguments but where to write."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.e2e.conftest import Cli


def test_demo_runs_the_whole_chain(cli: Cli, tmp_path: Path) -> None:
    done = cli("demo", "--json", cwd=tmp_path)
    assert done.status == 0, done.err
    found = json.loads(done.out)
    stages = {stage["name"]: stage["status"] for stage in found["stages"]}
    assert list(stages) == [
        "export",
        "golden sequences",
        "closed loop against torch",
        "run on the drawn scene",
        "faces in the drawn crowd",
        "latency",
    ]
    assert set(stages.values()) == {"passed"}
    page = (tmp_path / found["report"]).read_text(encoding="utf-8")
    assert len(re.findall(r'src="data:image/png;base64,', page)) >= 11
    assert not re.search(r'(src|href)="(?!data:)', page), "the report must need nothing else"
    assert (tmp_path / "crystaledge-demo" / "mnemosyne.bundle" / "manifest.json").exists()


def test_demo_does_not_overwrite(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "crystaledge-demo").mkdir()
    (tmp_path / "crystaledge-demo" / "mine").touch()
    done = cli("demo", cwd=tmp_path)
    assert done.is_one_line_of_bad_input()
    assert (tmp_path / "crystaledge-demo" / "mine").exists()
