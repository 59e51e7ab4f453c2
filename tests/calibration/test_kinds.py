"""Every kind of decision stands in one register, and what it names can be loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from crystaledge.bundle import Bundle
from crystaledge.errors import ContractError
from crystaledge.extras import load
from crystaledge.manifest.model import Decision
from crystaledge_calibration.image_task import task_of
from crystaledge_calibration.kinds import KINDS, Kind, kind_of
from crystaledge_calibration.verbs import LIMITS_HELP, limit
from tests.calibration.detector_builders import write_detector_bundle
from tests.support.anomaly_bundles import write_patchcore_bundle, write_student_bundle
from tests.support.bundles import write_tiny_bundle
from tests.support.messages import message_of

EACH = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.noun)


def test_every_decision_that_a_manifest_can_hold_has_a_kind() -> None:
    assert set(KINDS) == set(get_args(Decision))


@EACH
def test_what_a_kind_names_is_there(kind: Kind) -> None:
    for target in filter(None, (kind.quantize, kind.verify, kind.task)):
        assert callable(load(target, extra="calibrate", purpose="This test"))


@EACH
def test_the_command_line_knows_all_limits(kind: Kind) -> None:
    assert f"of {kind.noun}: " in LIMITS_HELP
    for one in fields(kind.limits):
        assert f"{one.name} {getattr(kind.limits, one.name):g}" in LIMITS_HELP
        assert limit(f"{one.name}=0.5") == (one.name, 0.5)


@pytest.mark.parametrize(
    ("write", "octaves", "defects"),
    [(write_detector_bundle, 2, False), (write_patchcore_bundle, 1, True), (write_student_bundle, 1, True)],
)
def test_the_task_of_a_bundle_is_that_of_its_decision(
    write: Callable[[Path], Bundle], octaves: int, defects: bool, tmp_path: Path
) -> None:
    bundle = write(tmp_path / "a.bundle")
    task = task_of(bundle)
    assert (task.octaves, task.defects) == (octaves, defects)
    assert task.record is kind_of(bundle).record and task.limits == kind_of(bundle).limits


def test_a_step_graph_does_not_decide_about_images(tmp_path: Path) -> None:
    with pytest.raises(ContractError) as raised:
        task_of(write_tiny_bundle(tmp_path / "step.bundle"))
    assert "decides about identities, not about single images" in message_of(raised)
