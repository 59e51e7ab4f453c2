"""Bundles as networks: batched, by engine and stepper, and equal to single steps in plain numpy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crystaledge.bundle import Bundle
from crystaledge.bundle_writer import Part, update_bundle
from crystaledge.errors import BundleError, ContractError, EngineError
from crystaledge.manifest.model import FileRole
from crystaledge.preprocessing.preprocessor import normalisation_table
from crystaledge_benchmarks.identity import engine_network
from crystaledge_benchmarks.identity.engine_network import EngineNetwork, graphs_of, parameters_of, split_name
from crystaledge_benchmarks.identity.networks import Crops
from tests.benchmarks.builders import INT8, quantized_bundle
from tests.support.bundles import write_tiny_bundle
from tests.support.manifests import CARD_FILE
from tests.support.step_graphs import HIDDEN, SIDE, tiny_step


def crops(count: int) -> Crops:
    return np.random.default_rng(5).integers(0, 256, (count, SIDE, SIDE, 3)).astype(np.uint8)


def test_states_are_those_of_single_steps(network: EngineNetwork, tiny_bundle_path: Path) -> None:
    pixels, rows = crops(7), np.random.default_rng(6).integers(0, 7, (6, 3))  # six tracks go in two batches of four
    table = normalisation_table(Bundle.open(tiny_bundle_path).manifest.preprocessing)
    faces = np.stack([table[channel][pixels[..., channel]] for channel in range(3)], axis=1)
    outputs = {"hidden_next": np.zeros((6, HIDDEN), np.float32)}
    for step in range(3):
        outputs = tiny_step(faces[rows[:, step]], outputs["hidden_next"])
    identities, scoring = network.crystallize(pixels, rows)
    hidden = outputs["hidden_next"]
    np.testing.assert_allclose(identities.unit, hidden / np.linalg.norm(hidden, axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(identities.log_variance, outputs["log_variance"][:, 0], atol=1e-5)
    decision = Bundle.open(tiny_bundle_path).manifest.decision
    assert scoring == getattr(decision, "score", None)


def test_one_look_is_one_step_from_a_fresh_state(network: EngineNetwork) -> None:
    pixels = crops(6)
    seen = network.look(pixels)
    again = network.crystallize(pixels, np.arange(6)[:, None])[0]
    np.testing.assert_array_equal(seen.unit, again.unit)
    assert seen.quality is not None
    assert seen.quality.shape == (6,)
    assert ((seen.quality > 0) & (seen.quality < 1)).all()


def test_the_cost_of_a_face_is_measured_and_leaves_no_track(network: EngineNetwork) -> None:
    assert network.cpu_ms(crops(3)) >= 0.0
    assert network.cpu_ms(crops(12)) >= 0.0


def test_a_graph_without_the_system_s_border_is_refused(tiny_bundle_path: Path) -> None:
    bundle = Bundle.open(tiny_bundle_path)
    graph = replace(bundle.graph(), outputs=bundle.graph().outputs[:-1])
    with pytest.raises(ContractError, match="'quality'"):
        EngineNetwork(bundle, graph)


def test_a_state_of_no_direction_is_an_error(network: EngineNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_network, "unit_rows", lambda hidden: np.full(hidden.shape, np.nan))
    with pytest.raises(EngineError, match="tiny:step embeds 2 of 2 faces as no direction"):
        network.look(crops(2))


def test_graphs_are_those_that_are_proven_unless_named(tmp_path: Path) -> None:
    passed = quantized_bundle(tmp_path / "passed.bundle")
    assert [graph.name for graph in graphs_of(passed, None)] == ["step", INT8]
    for number, verified in enumerate((False, None)):
        bundle = quantized_bundle(tmp_path / f"{number}.bundle", verified=verified)
        assert [graph.name for graph in graphs_of(bundle, None)] == ["step"]
        assert [graph.name for graph in graphs_of(bundle, INT8)] == [INT8]
    with pytest.raises(BundleError, match="has no graph 'other'"):
        list(graphs_of(passed, "other"))


def test_a_path_may_name_a_graph(tmp_path: Path) -> None:
    assert split_name("a.bundle") == (Path("a.bundle"), None)
    assert split_name("a.bundle:step") == (Path("a.bundle"), "step")
    (tmp_path / "a:b").mkdir()
    assert split_name(f"{tmp_path}/a:b") == (tmp_path / "a:b", None)


def test_parameters_are_the_model_card_s(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "a.bundle")
    assert parameters_of(bundle) is None
    card = Part(CARD_FILE, FileRole.MODEL_CARD, b"# Card\n\n- Parameters: 47,649 (wide)\n")
    assert parameters_of(update_bundle(bundle, bundle.manifest, (card,))) == 47_649
