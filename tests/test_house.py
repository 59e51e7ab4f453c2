"""Facts about the repository itself."""

from __future__ import annotations

import re
from pathlib import Path

import tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_changelog_begins_with_the_version_of_the_package() -> None:
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None and newest[1] == PROJECT["project"]["version"]


def test_readme_test_command_ends_in_the_shared_check() -> None:
    readme = (ROOT / "README.md").read_text()
    command = re.search(r"<!-- tests -->\n```sh\n(.*?)\n```", readme, re.DOTALL)
    assert command is not None and command[1].endswith("scripts/check")
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


def test_files_stay_small_enough_to_read() -> None:
    rooms = ("runtime", "training", "calibration", "export", "benchmarks")
    long = {str(p.relative_to(ROOT)): n for r in rooms for p in (ROOT / r).rglob("*.py") if (n := lines(p)) > 400}
    assert long == {}


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_every_package_is_typed_and_named_by_its_room() -> None:
    packages = [ROOT / p for p in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]
    assert packages[0].name == "crystaledge"
    for package in packages:
        assert (package / "py.typed").is_file()
        assert package.name in ("crystaledge", f"crystaledge_{package.parent.name}")


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            assert target.startswith("https://") or (ROOT / target).exists(), f"{document.name}: {target}"
