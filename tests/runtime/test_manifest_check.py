"""What a manifest may not be, one refusal at a time, and then at random."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import ManifestError
from crystaledge.jsonio import dumps
from crystaledge.manifest.check import parse_manifest
from crystaledge.manifest.model import MANIFEST_NAME, Manifest
from tests.support.json_mutation import JSON_VALUES, spoiled
from tests.support.manifests import changed, tiny_manifest, tiny_manifest_json, without
from tests.support.messages import message_of

Values = dict[str, Any]


def refusal(values: Values) -> str:
    """The one line that `parse_manifest` refuses these values with."""
    with pytest.raises(ManifestError) as raised:
        parse_manifest(json.dumps(values))
    return message_of(raised)


def test_the_tiny_manifest_is_sound() -> None:
    # Every refusal below would mean nothing if the values were refused before they were spoiled.
    assert parse_manifest(json.dumps(tiny_manifest_json())) == tiny_manifest()


def test_text_and_bytes_are_the_same() -> None:
    text = dumps(tiny_manifest())
    assert parse_manifest(text) == parse_manifest(text.encode())


def test_an_exported_manifest_survives_the_round_trip(bundle_path: Path) -> None:
    text = (bundle_path / MANIFEST_NAME).read_text(encoding="utf-8")
    assert dumps(parse_manifest(text)) == text


def test_graphs_find_their_tensors_by_name() -> None:
    graph = tiny_manifest().graphs[0]
    assert graph.input("hidden") is graph.inputs[1]
    assert graph.output("quality") is graph.outputs[3]


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        pytest.param(("graphs", 0, "colour"), 1, "graphs[0] has the unknown key 'colour'", id="unknown-key"),
        pytest.param(("graphs", 0, "opset"), "18", "graphs[0].opset is '18'", id="string-for-integer"),
        pytest.param(("graphs", 0, "opset"), 18.0, "graphs[0].opset is 18.0", id="float-for-integer"),
        pytest.param(("graphs", 0, "opset"), True, "graphs[0].opset is True", id="bool-for-integer"),
        pytest.param(("graphs", 0, "opset"), 0, "graphs[0].opset is 0", id="below-the-bounds"),
        pytest.param(("graphs", 0, "name"), None, "graphs[0].name is None", id="null-for-string"),
        pytest.param(("graphs", 0), [], "graphs[0] is []", id="list-for-object"),
        pytest.param(("preprocessing", "mean"), [0.5, 0.5], "preprocessing.mean is", id="two-of-three-means"),
        pytest.param(("preprocessing", "std"), [0.2, 0.0, 0.2], "preprocessing.std[1] is", id="std-of-zero"),
        pytest.param(("preprocessing", "size_hw"), [0, 8], "preprocessing: ", id="size-of-zero"),
        pytest.param(("preprocessing", "center_share"), 1.5, "preprocessing: ", id="share-above-one"),
        pytest.param(("preprocessing", "center_share"), 0.0, "preprocessing: ", id="share-of-nothing"),
        pytest.param(("decision", "operating_points"), [], "decision: ", id="no-operating-points"),
        pytest.param(("decision", "likelihood"), [], "decision: ", id="no-likelihood-fit"),
        pytest.param(("decision", "stopping", "reject_llr"), 99.0, "decision: ", id="rejects-above-accepting"),
        pytest.param(("files", 0, "sha256"), "A" * 64, "files[0].sha256 is", id="upper-case-hash"),
        pytest.param(("files", 0, "sha256"), "a" * 63, "files[0].sha256 is", id="short-hash"),
        pytest.param(("system",), "chimera", "system is 'chimera'", id="unknown-system"),
        pytest.param(("graphs",), [], "lists no graph", id="no-graph"),
        pytest.param(("graphs", 0, "inputs", 0, "shape"), [3, 8, 8], "inputs[0]: ", id="no-batch-axis"),
        pytest.param(("graphs", 0, "inputs", 0, "shape"), ["batch", 0], "inputs[0]: ", id="axis-of-zero"),
        pytest.param(("graphs", 0, "inputs", 0, "shape"), ["batch", "w"], "inputs[0]: ", id="second-symbolic-axis"),
        pytest.param(("graphs", 0, "inputs", 0, "shape"), [], "inputs[0]: ", id="no-axis-at-all"),
        pytest.param(("graphs", 0, "inputs", 0, "name"), "a b", "inputs[0].name is 'a b'", id="space-in-a-name"),
        pytest.param(
            ("files", 0, "role"), "model_card", "not listed under files as a graph", id="graph-in-another-role"
        ),
        pytest.param(("graphs", 0, "file"), "graphs/other.onnx", "not listed under files", id="graph-not-listed"),
    ],
)
def test_a_wrong_value_is_refused(place: tuple[str | int, ...], value: object, expected: str) -> None:
    message = refusal(changed(tiny_manifest_json(), place, value))
    assert message.startswith(MANIFEST_NAME)
    assert expected in message


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(("provenance", "data"), id="provenance"),
        pytest.param(("graphs", 0, "states"), id="states-of-a-graph"),
        pytest.param(("licence",), id="licence"),
    ],
)
def test_a_missing_key_is_refused(place: tuple[str | int, ...]) -> None:
    assert f"lacks the key {place[-1]!r}" in refusal(without(tiny_manifest_json(), place))


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(3, id="next"),
        pytest.param(1, id="previous"),
        pytest.param(0, id="zero"),
        pytest.param("1", id="string"),
        pytest.param(True, id="bool"),
        pytest.param(None, id="null"),
    ],
)
def test_another_version_is_refused_before_its_keys_are_looked_at(version: object) -> None:
    values = changed(tiny_manifest_json(), ("schema_version",), version)
    message = refusal(changed(values, ("invented_later",), 1))
    assert f"has schema version {version!r}; this package reads version 2" in message


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("../x", id="parent"),
        pytest.param("/etc/passwd", id="absolute"),
        pytest.param("a/../../b", id="parent-on-the-way"),
        pytest.param("a/..", id="parent-at-the-end"),
        pytest.param("./a", id="dot"),
        pytest.param("a//b", id="empty-part"),
        pytest.param("a/", id="folder"),
        pytest.param("", id="empty"),
        pytest.param("a\\..\\b", id="backslash"),
        pytest.param("C:x", id="drive"),
        pytest.param("a\x00b", id="nul"),
        pytest.param("a\n", id="line-end"),
        pytest.param("gr\u00e4ph", id="umlaut"),
    ],
)
@pytest.mark.parametrize(
    "place",
    [pytest.param(("files", 1, "path"), id="listed-file"), pytest.param(("graphs", 0, "file"), id="file-of-a-graph")],
)
def test_a_path_that_could_leave_the_bundle_is_refused(place: tuple[str | int, ...], path: str) -> None:
    assert "expected a path inside the bundle" in refusal(changed(tiny_manifest_json(), place, path))


@pytest.mark.parametrize(
    ("minimum", "buckets"),
    [
        pytest.param(1, [], id="none"),
        pytest.param(1, [2, 1, 4], id="falling"),
        pytest.param(1, [1, 2, 2, 4], id="one-twice"),
        pytest.param(1, [1, 2], id="ends-below-max"),
        pytest.param(1, [1, 8], id="ends-above-max"),
        pytest.param(1, [0, 4], id="zero"),
        pytest.param(2, [1, 4], id="starts-below-min"),
    ],
)
def test_bad_buckets_are_refused(minimum: int, buckets: list[int]) -> None:
    values = changed(tiny_manifest_json(), ("graphs", 0, "batch", "buckets"), buckets)
    assert "bucket" in refusal(changed(values, ("graphs", 0, "batch", "min"), minimum))


def _twice(place: tuple[str | int, ...]) -> Callable[[Values], Values]:
    def spoil(values: Values) -> Values:
        items: Any = values
        for step in place:
            items = items[step]
        return changed(values, place, [*items, items[0]])

    return spoil


def _swap_the_pair(values: Values) -> Values:
    pair = values["graphs"][0]["states"][0]
    swapped = {**pair, "input": pair["output"], "output": pair["input"]}
    return changed(values, ("graphs", 0, "states", 0), swapped)


def _second_pair_from_the_same_output(values: Values) -> Values:
    pair = values["graphs"][0]["states"][0]
    return changed(values, ("graphs", 0, "states"), [pair, {**pair, "input": "face"}])


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(_twice(("files",)), "names the file 'graphs/step.float32.onnx' 2 times", id="file-twice"),
        pytest.param(_twice(("graphs",)), "names the graph 'step' 2 times", id="graph-twice"),
        pytest.param(_twice(("graphs", 0, "inputs")), "names the tensor 'face' 2 times", id="input-twice"),
        pytest.param(_twice(("graphs", 0, "states")), "names the state input 'hidden' 2 times", id="state-twice"),
        pytest.param(
            _second_pair_from_the_same_output, "names the state output 'hidden_next' 2 times", id="output-feeds-two"
        ),
        pytest.param(_swap_the_pair, "names the input 'hidden_next'", id="swapped-pair"),
        pytest.param(
            lambda values: changed(values, ("graphs", 0, "outputs", 0, "name"), "face"),
            "names the tensor 'face' 2 times",
            id="input-and-output-of-one-name",
        ),
        pytest.param(
            lambda values: changed(values, ("graphs", 0, "states", 0, "output"), "elsewhere"),
            "names the output 'elsewhere'",
            id="pair-of-an-unknown-tensor",
        ),
        pytest.param(
            lambda values: changed(values, ("graphs", 0, "states", 0, "shape"), [5]),
            "is float32 [6] in the graph but float32 [5] in its pair",
            id="mis-shaped-pair",
        ),
        pytest.param(
            lambda values: changed(values, ("graphs", 0, "states", 0, "shape"), []),
            "is float32 [6] in the graph but float32 [] in its pair",
            id="pair-without-a-shape",
        ),
    ],
)
def test_parts_that_contradict_each_other_are_refused(spoil: Callable[[Values], Values], expected: str) -> None:
    assert expected in refusal(spoil(tiny_manifest_json()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"licence": "none"', '"licence": NaN', id="nan"),
        pytest.param('"licence": "none"', '"licence": "none", "licence": "none"', id="same-key-twice"),
        pytest.param('"initial": 0.0', '"initial": 1e999', id="state-starts-at-infinity"),
        pytest.param('"threshold": 0.9', '"threshold": 1e999', id="threshold-at-infinity"),
        pytest.param('"center_share": 1.0', '"center_share": 1' + "0" * 400, id="integer-beyond-float"),
    ],
)
def test_text_that_no_strict_json_reader_takes_is_refused(old: str, new: str) -> None:
    text = dumps(tiny_manifest())
    assert old in text
    with pytest.raises(ManifestError) as raised:
        parse_manifest(text.replace(old, new))
    assert message_of(raised).startswith(MANIFEST_NAME)


def test_the_message_starts_with_the_name_it_was_given() -> None:
    with pytest.raises(ManifestError, match=r"^there/manifest\.json is not valid JSON"):
        parse_manifest("", where="there/manifest.json")


@given(spoiled(tiny_manifest_json()) | JSON_VALUES)
def test_arbitrary_json_is_a_manifest_or_a_manifest_error(values: Any) -> None:
    _parses_or_is_refused(json.dumps(values))


@given(st.text() | st.binary())
def test_arbitrary_text_is_a_manifest_error(text: str | bytes) -> None:
    _parses_or_is_refused(text)


@given(st.data())
def test_damaged_text_is_a_manifest_or_a_manifest_error(data: st.DataObject) -> None:
    original = dumps(tiny_manifest()).encode()
    start = data.draw(st.integers(0, len(original)))
    length = data.draw(st.integers(0, 12))
    _parses_or_is_refused(original[:start] + data.draw(st.binary(max_size=6)) + original[start + length :])


def _parses_or_is_refused(text: str | bytes) -> None:
    try:
        manifest = parse_manifest(text)
    except ManifestError as error:
        assert str(error).startswith(MANIFEST_NAME)
        assert len(str(error).splitlines()) == 1
    else:
        assert isinstance(manifest, Manifest)
        assert parse_manifest(dumps(manifest)) == manifest
