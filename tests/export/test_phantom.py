"""Phantom's graphs: their borders, that they answer as torch does, that windows agree with the whole, the bundle."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crystaledge.bundle import Bundle
from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.engine.select import open_engine
from crystaledge.errors import ContractError, DataError
from crystaledge.manifest.model import FileRole, GraphSpec, ParitySummary
from crystaledge.preprocessing.spec import Fit, Preprocessing, Resampling
from crystaledge.system import System
from crystaledge.tensors import ResetRule
from crystaledge_calibration.golden import golden_file, read_golden, replay_golden
from crystaledge_export import export, phantom
from crystaledge_export.description import StepDescription
from crystaledge_export.errors import GuardError
from crystaledge_export.export import GOLDEN_BATCH, GOLDEN_STEPS, SYSTEMS, Exported, export_checkpoint
from crystaledge_export.guards import TOLERANCE, guard_parity
from crystaledge_export.model_card import model_card
from crystaledge_export.phantom import TRACK_BATCHES, WINDOW_BATCHES, describe, example_images
from crystaledge_training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from crystaledge_training.phantom.config import DEFAULT_PREPROCESSING, PhantomConfig
from crystaledge_training.phantom.network import Phantom
from tests.export.builders import FEW
from tests.training.phantom.builders import SIZES, phantom_record, random_phantom, sample_detection_decision

WIDE = Preprocessing(size_hw=(96, 160), fit=Fit.LETTERBOX, resampling=Resampling.AREA)
NAMES = ["detect_96x160", "detect_48x80", "detect_80x80", "detect_48x48", "track"]


def phantom_checkpoint(path: Path, network: Phantom, preprocessing: Preprocessing, *, octaves: int) -> Checkpoint:
    decision = sample_detection_decision(octaves=octaves)
    write_checkpoint(
        path, phantom_record(network, preprocessing=preprocessing, decision=decision), network.state_dict()
    )
    return read_checkpoint(path)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A small network for images that are not square."""
    path = tmp_path_factory.mktemp("wide") / "p.safetensors"
    return phantom_checkpoint(path, random_phantom(), WIDE, octaves=2)


@pytest.fixture(scope="module")
def exported_phantom(wide: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Its bundle, for few batches. Not to be written to."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(phantom, "WINDOW_BATCHES", FEW)
        patched.setattr(phantom, "TRACK_BATCHES", FEW)
        return export_checkpoint(wide, tmp_path_factory.mktemp("exported") / "p.bundle")


def engine_for(exported: Exported, graph: GraphSpec) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(graph, exported.bundle.graph_bytes(graph))


class TestDescription:
    def test_has_the_octaves_of_the_image_the_windows_and_the_tracks(self, tmp_path: Path) -> None:
        network = random_phantom(PhantomConfig())
        published = phantom_checkpoint(tmp_path / "p", network, DEFAULT_PREPROCESSING, octaves=3)
        names = [description.name for description in describe(published)]
        assert names == [
            "detect_128x128",
            "detect_64x64",
            "detect_32x32",
            "detect_80x80",
            "detect_48x48",
            "track",
        ]

    def test_border_of_every_graph_of_a_wide_image(self, wide: Checkpoint) -> None:
        *detectors, track = describe(wide)
        assert [d.name for d in detectors] == NAMES[:-1]
        for description, (height, width) in zip(detectors, ((96, 160), (48, 80), (80, 80), (48, 48)), strict=True):
            cells = (height // 4, width // 4)
            assert [(s.name, s.row_shape) for s in description.inputs] == [("image", (3, height, width))]
            assert [(s.name, s.row_shape) for s in description.outputs] == [
                ("logit", (1, *cells)),
                ("box", (4, *cells)),
                ("features", (SIZES.stage2, *cells)),
            ]
            assert (description.states, description.batch) == ((), WINDOW_BATCHES)
        assert [(s.name, s.row_shape) for s in track.inputs] == [
            ("roi", (SIZES.stage2 * 9,)),
            ("patch", (4, 48, 48)),
            ("hidden", (SIZES.track_hidden,)),
        ]
        assert [s.row_shape for s in track.outputs] == [(SIZES.track_hidden,), (4,), (1,), (2,), (1,)]
        assert track.batch is TRACK_BATCHES

    def test_the_state_of_a_track_begins_at_zero(self, wide: Checkpoint) -> None:
        (pair,) = describe(wide)[-1].states
        assert (pair.input, pair.output, pair.shape) == ("hidden", "hidden_next", (SIZES.track_hidden,))
        assert (pair.initial, pair.reset) == (0.0, ResetRule.NEW_TRACK)

    def test_a_window_that_is_an_octave_is_there_once(self, wide: Checkpoint) -> None:
        square = replace(wide.record, preprocessing=replace(WIDE, size_hw=(96, 96)))
        names = [d.name for d in describe(replace(wide, record=square))]
        assert names == ["detect_96x96", "detect_48x48", "detect_80x80", "track"]

    def test_a_window_as_large_as_the_image_is_left_out(self, wide: Checkpoint) -> None:
        low = replace(wide.record, preprocessing=replace(WIDE, size_hw=(48, 160)))
        assert [d.name for d in describe(replace(wide, record=low))] == ["detect_48x160", "detect_24x80", "track"]

    def test_needs_the_decision_of_a_detector(self, wide: Checkpoint) -> None:
        with pytest.raises(ContractError, match="The checkpoint"):
            describe(replace(wide, record=replace(wide.record, decision=None)))

    def test_example_images_are_drawn_and_begin_alike_for_any_batch(self) -> None:
        images = example_images(3, 2, (96, 160))
        assert images.shape == (3, 2, 96, 160, 3)
        np.testing.assert_array_equal(example_images(2, 5, (96, 160))[:, :2], images[:2])
        assert (images[0] != images[1]).any() and (images[:, 0] != images[:, 1]).any()

    @pytest.mark.parametrize("row", range(5))
    def test_what_is_observed_is_float32_and_of_the_border(self, wide: Checkpoint, row: int) -> None:
        description = describe(wide)[row]
        observed = description.example(2, 3)
        states = {pair.input for pair in description.states}
        assert set(observed) == {s.name for s in description.inputs} - states
        for spec in description.inputs:
            if spec.name not in states:
                assert observed[spec.name].shape == (2, 3, *spec.row_shape)
                assert observed[spec.name].dtype == np.float32


class TestGraphs:
    def test_are_all_in_the_bundle_the_main_one_first(self, exported_phantom: Exported, wide: Checkpoint) -> None:
        bundle = Bundle.open(exported_phantom.bundle.path)
        assert [graph.name for graph in bundle.manifest.graphs] == NAMES
        assert exported_phantom.first.graph.name == "detect_96x160"
        assert [parity.graph for parity in bundle.manifest.parity] == NAMES
        assert all(0.0 <= parity.max_abs_error <= TOLERANCE for parity in bundle.manifest.parity)
        roles = {entry.path: entry.role for entry in bundle.manifest.files}
        for graph in bundle.manifest.graphs:
            assert roles[graph.file] is FileRole.GRAPH
            assert roles[golden_file(graph)] is FileRole.GOLDEN
        assert bundle.manifest.system is System.PHANTOM
        assert (bundle.manifest.preprocessing, bundle.manifest.decision) == (WIDE, wide.record.decision)

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("batch", [1, 3, 4])
    def test_answer_as_torch_does(self, exported_phantom: Exported, name: str, batch: int) -> None:
        (made,) = (g for g in exported_phantom.graphs if g.graph.name == name)
        generator = np.random.default_rng(batch)
        feeds = {
            s.name: generator.normal(0.0, 1.0, (batch, *s.row_shape)).astype(np.float32) for s in made.graph.inputs
        }
        found = engine_for(exported_phantom, made.graph).run(feeds)
        with torch.no_grad():
            expected = made.description.module(*(torch.from_numpy(feeds[s.name]) for s in made.graph.inputs))
        for spec, tensor in zip(made.graph.outputs, expected, strict=True):
            np.testing.assert_allclose(found[spec.name], tensor.numpy(), atol=1e-4, rtol=1e-4, err_msg=spec.name)

    @pytest.mark.parametrize(("name", "corner"), [("detect_48x48", (24, 56)), ("detect_80x80", (8, 60))])
    def test_a_window_agrees_with_the_whole_image_away_from_its_border(
        self, exported_phantom: Exported, name: str, corner: tuple[int, int]
    ) -> None:
        bundle = exported_phantom.bundle
        whole, window = (engine_for(exported_phantom, bundle.graph(n)) for n in ("detect_96x160", name))
        side, (y, x) = window.graph.inputs[0].row_shape[1], corner
        image = np.random.default_rng(0).normal(0.0, 1.0, (1, 3, 96, 160)).astype(np.float32)
        all_of_it = whole.run({"image": image})
        cut = window.run({"image": image[:, :, y : y + side, x : x + side]})
        for output, border in (("features", 3), ("logit", 4), ("box", 4)):  # half of 23 px, half of 31 px
            part = all_of_it[output][:, :, y // 4 : (y + side) // 4, x // 4 : (x + side) // 4]
            inner = np.s_[:, :, border:-border, border:-border]
            np.testing.assert_allclose(cut[output][inner], part[inner], atol=1e-4, err_msg=output)
            assert np.abs(cut[output] - part).max() > 1e-2  # at its border a window sees zeros


class TestGoldens:
    @pytest.mark.parametrize("name", NAMES)
    def test_the_runtime_reproduces_them(self, exported_phantom: Exported, name: str) -> None:
        bundle = Bundle.open(exported_phantom.bundle.path)
        graph = bundle.graph(name)
        steps = GOLDEN_STEPS if graph.states else 1
        assert read_golden(bundle, graph).shape == (steps, GOLDEN_BATCH)
        drifts = replay_golden(bundle, graph, open_engine(bundle, graph))
        assert {d.tensor for d in drifts} == {s.name for s in graph.outputs}
        assert max(d.worst for d in drifts) < 5e-5

    def test_a_wrong_answer_is_seen(self, exported_phantom: Exported) -> None:
        bundle = exported_phantom.bundle
        graph = bundle.graph("track")
        engine = engine_for(exported_phantom, graph)

        class Wrong(OnnxRuntimeEngine):
            def run(self, inputs):  # type: ignore[no-untyped-def]
                return {name: values + 1e-2 for name, values in engine.run(inputs).items()}

        drifts = replay_golden(bundle, graph, Wrong(graph, bundle.graph_bytes(graph)))
        assert min(d.worst for d in drifts) > 5e-3

    def test_hold_frames_for_whole_images_and_inputs_for_the_rest(self, exported_phantom: Exported) -> None:
        bundle = exported_phantom.bundle
        held = {}
        for graph in bundle.manifest.graphs:
            with np.load(io.BytesIO(bundle.contents[golden_file(graph)]), allow_pickle=False) as file:
                held[graph.name] = {name for name in file.files if not name.startswith("output.")}
        assert held["detect_96x160"] == {"frames"}
        assert held["detect_48x48"] == {"input.image"}
        assert held["track"] == {"input.roi", "input.patch"}


@pytest.mark.parametrize(
    "fact",
    [
        "# Model card: phantom",
        f"stages of {SIZES.stem}, {SIZES.stage1}, {SIZES.stage2}, {SIZES.stage3} channels",
        "Trained on: drawn people (6 people;",
        "Parity of 'detect_96x160' with torch",
        "Parity of 'track' with torch",
        "Not for covert surveillance",
        "Calibrated on drawn faces. Faces from a score of 0.400: precision 0.750, recall 0.500",
        "faces of at least 8 px",
        "overlap of 0.45; 2 octaves",
        "- validation/ap50: 0.6250",
        "were not measured by group",
    ],
)
def test_the_card_says(exported_phantom: Exported, fact: str) -> None:
    assert fact in exported_phantom.bundle.contents["MODEL_CARD.md"].decode()


def test_the_card_counts_parameters_and_does_without_a_decision(tmp_path: Path) -> None:
    network = random_phantom(PhantomConfig())
    checkpoint = phantom_checkpoint(tmp_path / "p", network, DEFAULT_PREPROCESSING, octaves=3)
    bare = replace(checkpoint, record=replace(checkpoint.record, decision=None))
    card = model_card(bare, SYSTEMS[System.PHANTOM], parities=())
    assert "Parameters: 72,053" in card
    assert "Calibrated on nothing." in card


class TestRefuses:
    def test_a_checkpoint_without_decision_parameters(self, wide: Checkpoint, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="carries no decision parameters"):
            export_checkpoint(replace(wide, record=replace(wide.record, decision=None)), tmp_path / "p.bundle")
        assert not list(tmp_path.iterdir())

    def test_all_of_it_where_one_graph_disagrees(
        self, wide: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:

        def refuse_tracks(engine: OnnxRuntimeEngine, description: StepDescription) -> ParitySummary:
            if description.name == "track":
                msg = "differs"
                raise GuardError(msg)
            return guard_parity(engine, description)

        few = [replace(d, batch=FEW) for d in describe(wide) if d.name in ("detect_48x48", "track")]
        system = replace(SYSTEMS[System.PHANTOM], describe=lambda checkpoint: tuple(few))
        monkeypatch.setattr(export, "SYSTEMS", {System.PHANTOM: system})
        monkeypatch.setattr(export, "guard_parity", refuse_tracks)
        with pytest.raises(GuardError, match="differs"):
            export_checkpoint(wide, tmp_path / "p.bundle")
        assert not list(tmp_path.iterdir())
