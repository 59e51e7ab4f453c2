"""The published schema against the codec: two checkers of one contract, which must agree."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator, ValidationError, validators

import crystaledge.manifest
from crystaledge.errors import ContractError, ManifestError
from crystaledge.jsonio import loads
from crystaledge.manifest.json_schema import manifest_schema, schema_text
from crystaledge.manifest.model import MANIFEST_NAME, Manifest
from tests.support.json_mutation import spoiled
from tests.support.manifests import changed, tiny_manifest_json, without

PUBLISHED = Path(crystaledge.manifest.__path__[0]) / "schema.json"


def test_the_published_file_is_the_derived_schema() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text(), (
        "derive it again: python -m crystaledge.manifest.json_schema > runtime/crystaledge/manifest/schema.json"
    )


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(manifest_schema())


def test_sound_manifests_validate(bundle_path: Path) -> None:
    validator = Draft202012Validator(manifest_schema())
    validator.validate(tiny_manifest_json())
    validator.validate(json.loads((bundle_path / MANIFEST_NAME).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(changed(tiny_manifest_json(), ("colour",), 1), id="unknown-key"),
        pytest.param(without(tiny_manifest_json(), ("licence",)), id="missing-key"),
        pytest.param(changed(tiny_manifest_json(), ("schema_version",), 3), id="another-version"),
        pytest.param(changed(tiny_manifest_json(), ("files", 0, "path"), "../x"), id="path-leaves-the-bundle"),
        pytest.param(changed(tiny_manifest_json(), ("system",), "chimera"), id="unknown-system"),
    ],
)
def test_the_schema_refuses(values: dict[str, Any]) -> None:
    assert not Draft202012Validator(manifest_schema()).is_valid(values)


def test_defaults_are_published_and_optional() -> None:
    preprocessing = manifest_schema()["$defs"]["Preprocessing"]
    assert preprocessing["required"] == ["size_hw"]
    assert preprocessing["properties"]["center_share"]["default"] == 1.0
    assert preprocessing["properties"]["color"]["default"] == "rgb"


def _pattern_as_published(_: object, pattern: str, instance: object, __: object) -> Iterator[ValidationError]:
    # JSON Schema's regular expressions are ECMAScript's, where $ is the end and nothing else; Python's
    # $ also stands before a last line end.
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


# JSON Schema has one kind of number, so that 1.0 is an integer to it; the codec wants integers
# written as integers. This is the one structural difference, and it is taken out here.
_STRICT = validators.extend(
    Draft202012Validator,
    {"pattern": _pattern_as_published},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int),
)(manifest_schema())


@settings(max_examples=300)
@given(spoiled(tiny_manifest_json()))
def test_the_codec_and_the_schema_agree(values: Any) -> None:
    schema_accepts = _STRICT.is_valid(values)
    try:
        loads(Manifest, json.dumps(values), where=MANIFEST_NAME)
    except ManifestError as error:
        # What a dataclass itself refuses, a schema cannot say: a std above 0, a first axis "batch".
        says_more_than_a_schema = isinstance(error.__cause__, ContractError)
        assert not schema_accepts or says_more_than_a_schema, f"the codec alone refuses: {error}"
    else:
        assert schema_accepts, "the schema alone refuses"
