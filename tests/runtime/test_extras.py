"""A missing package is one sentence that names the cure; a broken import of our own is not hidden."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crystaledge.errors import MissingExtraError
from crystaledge.extras import load
from crystaledge.system import System
from tests.support.messages import message_of


def test_the_attribute_of_a_module_is_loaded() -> None:
    assert load("crystaledge.system:System", extra=None, purpose="A test") is System


@pytest.mark.parametrize(
    ("extra", "cure"),
    [
        pytest.param("vision", "pip install 'crystaledge[vision]'", id="extra"),
        pytest.param(None, "pip install absent_package", id="no-extra"),
    ],
)
def test_a_missing_package_names_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: str | None, cure: str
) -> None:
    (tmp_path / "needs_it.py").write_text("import absent_package.inner\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError) as raised:
        load("needs_it:anything", extra=extra, purpose="A test")
    assert message_of(raised) == (
        f"A test needs the package 'absent_package', which is not installed; get it with: {cure}"
    )


def test_a_missing_module_of_our_own_is_a_bug_and_not_an_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"crystaledge\.absent"):
        load("crystaledge.absent:anything", extra="vision", purpose="A test")
    assert "crystaledge.absent" not in sys.modules
