"""The decision parameters of a manifest, which are of one kind or the other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from crystaledge.errors import ContractError, ManifestError
from crystaledge.jsonio import dumps, encode
from crystaledge.manifest.check import parse_manifest
from crystaledge.manifest.json_schema import manifest_schema
from crystaledge.manifest.model import Decision, detection_decision, identity_decision
from tests.runtime.detection.networks import decision
from tests.support.manifests import changed, small_decision, tiny_manifest_json, without
from tests.support.messages import message_of

IDENTITY, DETECTION = small_decision(6), decision()


def manifest_of_a_detector() -> dict[str, Any]:
    """The tiny manifest with the other kind of decision."""
    return changed(tiny_manifest_json(), ("decision",), encode(DETECTION))


def test_each_is_what_it_is() -> None:
    assert identity_decision(IDENTITY, where="It") is IDENTITY
    assert detection_decision(DETECTION, where="It") is DETECTION


@pytest.mark.parametrize("wrong", [DETECTION, None])
def test_a_detector_tells_nobody_apart(wrong: Decision | None) -> None:
    with pytest.raises(ContractError) as raised:
        identity_decision(wrong, where="The bundle b")
    assert message_of(raised).startswith("The bundle b decides about no identities; expected")


@pytest.mark.parametrize("wrong", [IDENTITY, None])
def test_an_identity_finds_no_objects(wrong: Decision | None) -> None:
    with pytest.raises(ContractError) as raised:
        detection_decision(wrong, where="The bundle b")
    assert message_of(raised).startswith("The bundle b decides about no detections; expected")


def test_a_manifest_of_a_detector_is_read_written_and_valid() -> None:
    values = manifest_of_a_detector()
    manifest = parse_manifest(json.dumps(values))
    assert manifest.decision == DETECTION
    assert json.loads(dumps(manifest)) == values
    assert Draft202012Validator(manifest_schema()).is_valid(values)


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        pytest.param(("low_score",), 0.0, "decision.low_score is 0.0", id="score-of-zero"),
        pytest.param(("low_score",), 0.9, "decision: Detection decision has a low score", id="low-above-high"),
        pytest.param(("octaves",), 0, "decision.octaves is 0", id="no-octave"),
        pytest.param(("point", "score"), 1.0, "decision.point.score is 1.0", id="score-of-one"),
        pytest.param(("point", "recall"), 1.5, "decision.point.recall is 1.5", id="recall-above-one"),
        pytest.param(("suppression_iou",), -0.1, "decision.suppression_iou is -0.1", id="overlap-below-zero"),
        pytest.param(("stopping",), {}, "decision has the unknown key 'stopping'", id="key-of-the-other-kind"),
    ],
)
def test_a_wrong_value_of_a_detector_is_refused(place: tuple[str, ...], value: object, expected: str) -> None:
    with pytest.raises(ManifestError) as raised:
        parse_manifest(json.dumps(changed(manifest_of_a_detector(), ("decision", *place), value)))
    assert expected in message_of(raised)


def test_a_part_of_a_detectors_decision_is_none() -> None:
    values = without(manifest_of_a_detector(), ("decision", "point"))
    with pytest.raises(ManifestError, match="decision lacks the key 'point'"):
        parse_manifest(json.dumps(values))
    assert not Draft202012Validator(manifest_schema()).is_valid(values)
