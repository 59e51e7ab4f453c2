"""What a bundle must have to be a Phantom bundle, one refusal at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from crystaledge.detection.camera_view import BOX, FEATURES, LOGIT
from crystaledge.errors import ContractError
from crystaledge.manifest.model import GraphSpec, Manifest, Precision, Target
from crystaledge.systems.phantom_contract import (
    BOX_DELTA,
    HIDDEN,
    HIDDEN_NEXT,
    PATCH,
    ROI,
    detector_graphs,
    track_graph,
)
from tests.runtime.detection.networks import STAGE2, decision, detector_spec, spec_of
from tests.support.manifests import small_decision, state_pair, tensor, tiny_graph_spec, tiny_manifest
from tests.support.messages import message_of

SIZES = [(128, 128), (64, 64), (32, 32), (80, 80), (48, 48)]


def track_spec() -> GraphSpec:
    """The border of a step graph that looks at tracks."""
    return replace(
        detector_spec((32, 32)),
        name="track",
        inputs=(tensor(ROI, STAGE2 * 9), tensor(PATCH, 4, 48, 48), tensor(HIDDEN, 6)),
        outputs=(tensor(HIDDEN_NEXT, 6), tensor(BOX_DELTA, 4)),
        states=(state_pair(HIDDEN, 6),),
    )


def phantom_manifest(*graphs: GraphSpec) -> Manifest:
    return replace(tiny_manifest(), graphs=graphs, decision=decision(), preprocessing=spec_of((128, 128)))


def sound() -> Manifest:
    return phantom_manifest(*map(detector_spec, SIZES), track_spec())


def test_graphs_are_found_by_size() -> None:
    graphs = detector_graphs(sound())
    assert list(graphs) == SIZES
    assert all(graph.name == f"detect_{size[0]}x{size[1]}" for size, graph in graphs.items())
    assert track_graph(sound()).name == "track"


def test_graphs_of_another_precision_are_others() -> None:
    families = {
        target: [
            replace(detector_spec(size), precision=Precision.INT8, target=target, name=f"{target.value}{size[0]}")
            for size in SIZES[:3]
        ]
        for target in Target
    }
    manifest = phantom_manifest(*sound().graphs, *(graph for graphs in families.values() for graph in graphs))
    assert list(detector_graphs(manifest)) == SIZES
    for graphs in families.values():
        assert list(detector_graphs(manifest, graphs[1]).values()) == graphs
        with pytest.raises(ContractError, match="int8 graph for 128x128"):
            detector_graphs(sound(), graphs[0])


def test_a_graph_that_takes_no_image_names_no_family() -> None:
    with pytest.raises(ContractError) as raised:
        detector_graphs(sound(), track_spec())
    assert "'track' finds nothing in an image" in message_of(raised)


@pytest.mark.parametrize("missing", SIZES[:3])
def test_a_size_that_an_octave_needs_is_missed(missing: tuple[int, int]) -> None:
    with pytest.raises(ContractError) as raised:
        detector_graphs(phantom_manifest(*(detector_spec(size) for size in SIZES if size != missing)))
    assert f"float32 graph for {missing[0]}x{missing[1]} px" in message_of(raised)


def test_windows_may_be_missing() -> None:
    assert list(detector_graphs(phantom_manifest(*map(detector_spec, SIZES[:3])))) == SIZES[:3]


def without_output(graph: GraphSpec, name: str) -> GraphSpec:
    return replace(graph, outputs=tuple(spec for spec in graph.outputs if spec.name != name))


def with_output(graph: GraphSpec, name: str, *shape: int) -> GraphSpec:
    return replace(graph, outputs=tuple(tensor(name, *shape) if s.name == name else s for s in graph.outputs))


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        pytest.param(lambda graph: without_output(graph, LOGIT), LOGIT, id="no-logits"),
        pytest.param(lambda graph: without_output(graph, BOX), BOX, id="no-boxes"),
        pytest.param(lambda graph: without_output(graph, FEATURES), FEATURES, id="no-features"),
        pytest.param(lambda graph: with_output(graph, LOGIT, 2, 8, 8), LOGIT, id="two-logits"),
        pytest.param(lambda graph: with_output(graph, BOX, 5, 8, 8), BOX, id="five-numbers-of-a-box"),
        pytest.param(lambda graph: with_output(graph, BOX, 4, 4, 4), BOX, id="another-stride"),
        pytest.param(lambda graph: with_output(graph, FEATURES, 8, 8, 9), FEATURES, id="one-cell-too-many"),
        pytest.param(lambda graph: with_output(graph, LOGIT, 64), LOGIT, id="flat"),
    ],
)
def test_maps_that_do_not_fit_are_refused(spoil: Callable[[GraphSpec], GraphSpec], name: str) -> None:
    graphs = [spoil(detector_spec((32, 32))), *(detector_spec(size) for size in SIZES if size != (32, 32))]
    with pytest.raises(ContractError) as raised:
        detector_graphs(phantom_manifest(*graphs))
    assert f"has maps {name!r} of [8, 8] cells; 'detect_32x32' has" in message_of(raised)


def test_a_bundle_that_tells_people_apart_is_none() -> None:
    with pytest.raises(ContractError, match="decides about no detections"):
        detector_graphs(replace(sound(), decision=small_decision(6)))


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param(None, id="none"),
        pytest.param(tiny_graph_spec(), id="step-of-another-system"),
        pytest.param(replace(track_spec(), precision=Precision.INT8), id="quantized"),
        pytest.param(replace(track_spec(), states=()), id="no-state"),
        pytest.param(replace(track_spec(), states=(state_pair("memory", 6),)), id="another-state"),
        pytest.param(replace(track_spec(), inputs=track_spec().inputs[1:]), id="no-features"),
        pytest.param(replace(track_spec(), inputs=(*track_spec().inputs, tensor("more", 1))), id="one-input-more"),
    ],
)
def test_a_bundle_without_the_step_graph_is_refused(graph: GraphSpec | None) -> None:
    graphs = [detector_spec(size) for size in SIZES] + ([graph] if graph else [])
    with pytest.raises(ContractError) as raised:
        track_graph(phantom_manifest(*graphs))
    assert "step graph with the inputs 'roi', 'patch' and the state 'hidden'" in message_of(raised)
