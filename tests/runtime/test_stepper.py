"""A track's result depends on its own faces alone: not on its row, its neighbours or their number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.engine.base import Engine
from crystaledge.engine.bound_step import BoundStep
from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.engine.select import open_engine
from crystaledge.errors import ContractError, StateError
from crystaledge.manifest.model import BatchRange, GraphSpec
from crystaledge.tracks.stepper import Stepper
from crystaledge.tracks.store import StateStore
from tests.support.manifests import state_pair, tensor, tiny_graph_spec
from tests.support.messages import message_of
from tests.support.step_graphs import HIDDEN, SIDE, tiny_step, tiny_step_bytes

Array = NDArray[np.float32]
Fill = Callable[[Array, np.random.Generator], None]

STEPS = 4
ME = 100


def _fill_with_faces(rows: Array, random: np.random.Generator) -> None:
    rows[...] = random.normal(size=rows.shape)


def _fill_with(value: float) -> Fill:
    def fill(rows: Array, random: np.random.Generator) -> None:
        rows[...] = value

    return fill


NEIGHBOURS = {
    "other-faces": _fill_with_faces,
    "zeros": _fill_with(0.0),
    "nan": _fill_with(float("nan")),
    "infinity": _fill_with(float("inf")),
    "huge": _fill_with(3e38),
}


@pytest.fixture(scope="module", params=["tiny", "exported"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The tiny step, and the real one with random weights."""
    name = "tiny_bundle_path" if request.param == "tiny" else "bundle_path"
    bundle = Bundle.open(request.getfixturevalue(name))
    engine = open_engine(bundle, bundle.graph())
    yield engine
    engine.close()


def my_faces(engine: Engine) -> Array:
    """The faces that the track under test sees, one a step."""
    shape = engine.graph.input("face").row_shape
    return np.random.default_rng(1).normal(size=(STEPS, *shape)).astype(np.float32)


def follow(engine: Engine, bucket: int, row: int, fill: Fill, *, pads: int = 0) -> list[dict[str, Array]]:
    """Results of the track under test over its faces, in one row of a full or padded bucket."""
    store = StateStore(engine.graph.states)
    stepper = Stepper(engine, store)
    random = np.random.default_rng(2)
    count = bucket - pads
    tracks = [ME if place == row else place for place in range(count)]
    for track in tracks:
        store.create(track)
    bound = engine.bind(bucket)
    results = []
    for face in my_faces(engine):
        faces = stepper.stage(count)["face"]
        assert faces is bound.inputs["face"], "another bucket was chosen, and this compares nothing"
        # Rows beyond the tracks are dirtied too, and so are the neighbours' states.
        fill(faces, random)
        fill(bound.inputs["hidden"], random)
        for slot in store.slots(track for track in tracks if track != ME):
            fill(store.arrays["hidden"][slot], random)
        faces[row] = face
        outputs = stepper.advance(tracks)
        results.append({name: values[row].copy() for name, values in outputs.items()})
        results[-1]["state"] = store.state(ME)["hidden"]
    return results


def assert_same_bits(first: Sequence[Mapping[str, Array]], second: Sequence[Mapping[str, Array]]) -> None:
    """Two runs of results agree to the last bit."""
    for step, (left, right) in enumerate(zip(first, second, strict=True)):
        for name, values in left.items():
            equal = (values.view(np.uint32) == right[name].view(np.uint32)).all()
            assert equal, f"{name} differs at step {step} by {np.abs(values - right[name]).max():.1e}"


@pytest.mark.parametrize("neighbours", list(NEIGHBOURS))
@pytest.mark.parametrize("bucket", [2, 4])
def test_at_one_bucket_size_neighbours_and_rows_change_no_bit(engine: Engine, bucket: int, neighbours: str) -> None:
    reference = follow(engine, bucket, 0, NEIGHBOURS["other-faces"])
    assert all(np.isfinite(values).all() for step in reference for values in step.values())
    for row in range(bucket):
        with np.errstate(invalid="ignore", over="ignore"):
            assert_same_bits(reference, follow(engine, bucket, row, NEIGHBOURS[neighbours]))


@pytest.mark.parametrize("neighbours", list(NEIGHBOURS))
def test_what_lies_in_padded_rows_changes_no_bit(engine: Engine, neighbours: str) -> None:
    reference = follow(engine, 4, 0, NEIGHBOURS["other-faces"])
    for row in range(3):
        assert_same_bits(reference, follow(engine, 4, row, NEIGHBOURS[neighbours], pads=1))


def test_across_bucket_sizes_results_agree_closely(engine: Engine) -> None:
    reference = follow(engine, 1, 0, NEIGHBOURS["other-faces"])
    for bucket in engine.graph.batch.buckets:
        for row in {0, bucket - 1}:
            for expected, found in zip(reference, follow(engine, bucket, row, NEIGHBOURS["nan"]), strict=True):
                for name, values in expected.items():
                    np.testing.assert_allclose(found[name], values, atol=1e-6, err_msg=f"{name}, bucket {bucket}")


def test_together_is_one_by_one(engine: Engine) -> None:
    tracks = [3, 1, 2]
    shape = (STEPS, len(tracks), *engine.graph.input("face").row_shape)
    faces = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    together, alone = StateStore(engine.graph.states), StateStore(engine.graph.states)
    for track in tracks:
        together.create(track)
        alone.create(track)
    batched, single = Stepper(engine, together), Stepper(engine, alone)
    for step in range(STEPS):
        batched.stage(len(tracks))["face"][: len(tracks)] = faces[step]
        outputs = {name: values.copy() for name, values in batched.advance(tracks).items()}
        for row, track in enumerate(tracks):
            single.stage(1)["face"][0] = faces[step, row]
            for name, values in single.advance([track]).items():
                np.testing.assert_allclose(outputs[name][row], values[0], atol=1e-6, err_msg=name)
    for track in tracks:
        np.testing.assert_allclose(together.state(track)["hidden"], alone.state(track)["hidden"], atol=1e-6)


def test_the_state_that_comes_out_goes_in_next(engine: Engine) -> None:
    # Closed loop by hand, through the engine alone.
    hidden = np.zeros((1, *engine.graph.input("hidden").row_shape), np.float32)
    for face, found in zip(my_faces(engine), follow(engine, 1, 0, NEIGHBOURS["zeros"]), strict=True):
        outputs = engine.run({"face": face[None], "hidden": hidden})
        hidden = outputs["hidden_next"]
        assert (found["state"] == hidden[0]).all()
        assert (found["velocity"] == outputs["velocity"][0]).all()


@pytest.fixture
def tiny() -> Iterator[Stepper]:
    """A stepper of the tiny step with tracks 0 to 9 alive."""
    engine = OnnxRuntimeEngine(tiny_graph_spec(), tiny_step_bytes())
    store = StateStore(engine.graph.states, capacity=2)
    for track in range(10):
        store.create(track)
    yield Stepper(engine, store)
    engine.close()


def random_faces(count: int) -> Array:
    """Faces of the tiny step."""
    return np.random.default_rng(4).normal(size=(count, 3, SIDE, SIDE)).astype(np.float32)


@given(count=st.integers(0, 30))
def test_chunks_cover_every_track_once_and_in_order(count: int) -> None:
    stepper = Stepper(_Adder(), StateStore(_Adder().graph.states))
    chunks = list(stepper.chunks(count))
    assert [place for chunk in chunks for place in chunk] == list(range(count))
    assert all(1 <= len(chunk) <= stepper.largest for chunk in chunks)


def test_more_tracks_than_the_largest_bucket_go_in_chunks(tiny: Stepper) -> None:
    faces, tracks = random_faces(10), [9, 0, 8, 1, 7, 2, 6, 3, 5, 4]
    assert [len(chunk) for chunk in tiny.chunks(len(tracks))] == [4, 4, 2]
    for chunk in tiny.chunks(len(tracks)):
        tiny.stage(len(chunk))["face"][: len(chunk)] = faces[chunk.start : chunk.stop]
        tiny.advance(tracks[chunk.start : chunk.stop])
    expected = tiny_step(faces, np.zeros((10, HIDDEN), np.float32))["hidden_next"]
    for row, track in enumerate(tracks):
        np.testing.assert_allclose(tiny.store.state(track)["hidden"], expected[row], atol=1e-6)


@pytest.mark.parametrize(
    ("count", "bucket"),
    [pytest.param(count, bucket, id=f"{count}-in-{bucket}") for count, bucket in ((1, 1), (2, 2), (3, 4), (4, 4))],
)
def test_the_smallest_bucket_that_fits_is_staged(tiny: Stepper, count: int, bucket: int) -> None:
    assert list(tiny.stage(count)) == ["face"], "the state is the stepper's business"
    assert len(tiny.stage(count)["face"]) == bucket
    outputs = tiny.advance(list(range(count)))
    assert {name: len(values) for name, values in outputs.items()} == dict.fromkeys(
        ["hidden_next", "velocity", "log_variance", "quality"], count
    )


@pytest.mark.parametrize("count", [pytest.param(0, id="none"), pytest.param(5, id="more-than-the-largest")])
def test_a_count_that_no_call_can_advance_is_refused(tiny: Stepper, count: int) -> None:
    with pytest.raises(ContractError) as raised:
        tiny.stage(count)
    assert message_of(raised) == f"One call advances 1 to 4 tracks; got {count}."


@pytest.mark.parametrize(
    ("staged", "tracks", "expected"),
    [
        pytest.param(2, [1, 1], "A track comes twice", id="twice"),
        pytest.param(2, [1, 77], "There is no live track 77", id="unknown"),
        pytest.param(2, [], "Advance of 0 tracks was not staged", id="nobody"),
        pytest.param(2, [1, 2, 3], "Advance of 3 tracks was not staged", id="more-than-the-bucket"),
        pytest.param(3, [1, 2, 3, 4], "Advance of 4 tracks was not staged", id="more-than-staged-in-the-same-bucket"),
        pytest.param(None, [1], "Advance of 1 tracks was not staged", id="nothing-staged"),
    ],
)
def test_an_advance_that_was_not_staged_is_refused_and_changes_nothing(
    tiny: Stepper, staged: int | None, tracks: list[int], expected: str
) -> None:
    if staged is not None:
        tiny.stage(staged)["face"][...] = 1.0
    before = tiny.store.arrays["hidden"].copy()
    with pytest.raises(StateError) as raised:
        tiny.advance(tracks)
    assert expected in message_of(raised)
    assert (tiny.store.arrays["hidden"] == before).all()


def test_one_staging_is_good_for_one_advance(tiny: Stepper) -> None:
    tiny.stage(1)["face"][...] = 1.0
    tiny.advance([0])
    with pytest.raises(StateError, match="was not staged"):
        tiny.advance([0])


def test_several_states_are_fed_back_each_to_its_own() -> None:
    engine = _Adder()
    store = StateStore(engine.graph.states)
    stepper = Stepper(engine, store)
    store.create(1)
    store.create(2)
    for _ in range(3):
        stepper.stage(2)["step"][...] = [[1.0], [10.0]]
        stepper.advance([2, 1])
    # Each starts at its own initial value; `product` starts at 1 and `total` at -5.
    assert {name: float(value[0]) for name, value in store.state(2).items()} == {"total": -2.0, "product": 1.0}
    assert {name: float(value[0]) for name, value in store.state(1).items()} == {"total": 25.0, "product": 1000.0}


class _Adder(Engine):
    """An engine of two states in plain numpy: a running total and a running product."""

    name = "adder"

    def __init__(self) -> None:
        super().__init__(
            replace(
                tiny_graph_spec(),
                inputs=(tensor("step", 1), tensor("product", 1), tensor("total", 1)),
                outputs=(tensor("total_next", 1), tensor("product_next", 1)),
                states=(state_pair("total", 1, initial=-5.0), state_pair("product", 1, initial=1.0)),
                batch=BatchRange(min=1, max=4, buckets=(2, 4)),
            )
        )

    def _bind(self, batch: int) -> BoundStep:
        return _BoundAdder(self.graph, batch)


class _BoundAdder(BoundStep):
    def __init__(self, graph: GraphSpec, batch: int) -> None:
        super().__init__(graph, batch)

    def run(self) -> None:
        np.add(self.inputs["total"], self.inputs["step"], out=self.outputs["total_next"])
        np.multiply(self.inputs["product"], self.inputs["step"], out=self.outputs["product_next"])


def test_an_exported_graph_is_what_is_stepped_here(bundle_path: Path) -> None:
    # The promise of this file is about the graph that ships; it has more buckets than the tiny one.
    assert Bundle.open(bundle_path).graph().batch.buckets == (1, 2, 4, 8, 16, 32, 64)
