"""What every backend has to do, as tests to inherit.

class TestMyEngine(EngineContract):
    def make(self, graph, model):
        return MyEngine(graph, model, threads=1)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from crystaledge.engine.base import Engine
from crystaledge.errors import ContractError, EngineError
from crystaledge.manifest.model import GraphSpec
from tests.support.manifests import tensor, tiny_graph_spec
from tests.support.messages import message_of
from tests.support.step_graphs import HIDDEN, SIDE, tiny_step, tiny_step_bytes, tiny_step_model

Array = NDArray[np.float32]


def example_feeds(batch: int, *, seed: int = 0) -> dict[str, Array]:
    """Random inputs of the tiny step."""
    random = np.random.default_rng(seed)
    return {
        "face": random.normal(size=(batch, 3, SIDE, SIDE)).astype(np.float32),
        "hidden": random.uniform(-1.0, 1.0, (batch, HIDDEN)).astype(np.float32),
    }


def _rename_an_input(graph: GraphSpec) -> GraphSpec:
    return replace(graph, inputs=(tensor("photo", 3, SIDE, SIDE), graph.inputs[1]))


def _swap_two_outputs(graph: GraphSpec) -> GraphSpec:
    first, second, *rest = graph.outputs
    return replace(graph, outputs=(second, first, *rest))


def _drop_an_output(graph: GraphSpec) -> GraphSpec:
    return replace(graph, outputs=graph.outputs[:-1])


def _widen_a_row(graph: GraphSpec) -> GraphSpec:
    return replace(graph, inputs=(graph.inputs[0], tensor("hidden", HIDDEN + 1)))


def _add_an_axis(graph: GraphSpec) -> GraphSpec:
    return replace(graph, outputs=(*graph.outputs[:-1], tensor("quality", 1, 1)))


class EngineContract(ABC):
    """Tests of one backend on the tiny step; see `tests.support.step_graphs`."""

    @abstractmethod
    def make(self, graph: GraphSpec, model: bytes) -> Engine:
        """The backend's engine for a graph."""

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        """The backend's engine for the tiny step."""
        engine = self.make(tiny_graph_spec(), tiny_step_bytes())
        yield engine
        engine.close()

    @pytest.mark.parametrize("batch", [1, 2, 3, 4])
    def test_it_computes_the_graph(self, engine: Engine, batch: int) -> None:
        feeds = example_feeds(batch)
        found, expected = engine.run(feeds), tiny_step(**feeds)
        assert list(found) == [spec.name for spec in engine.graph.outputs]
        for name, values in expected.items():
            assert found[name].dtype == np.float32
            assert found[name].shape == values.shape
            np.testing.assert_allclose(found[name], values, atol=1e-6, err_msg=name)

    def test_equal_inputs_give_equal_bits(self, engine: Engine) -> None:
        feeds = example_feeds(3)
        first, second = engine.run(feeds), engine.run(feeds)
        for name in first:
            assert (first[name].view(np.uint32) == second[name].view(np.uint32)).all()

    def test_results_of_run_are_the_callers_own(self, engine: Engine) -> None:
        first = engine.run(example_feeds(2, seed=1))
        kept = {name: values.copy() for name, values in first.items()}
        engine.run(example_feeds(2, seed=2))
        for name, values in kept.items():
            assert (first[name] == values).all()

    def test_run_takes_arrays_that_are_not_contiguous(self, engine: Engine) -> None:
        feeds = example_feeds(2)
        turned = {**feeds, "face": np.asfortranarray(feeds["face"])}
        assert not turned["face"].flags.c_contiguous
        assert (engine.run(turned)["hidden_next"] == engine.run(feeds)["hidden_next"]).all()

    def test_a_step_is_bound_once_for_each_batch_size(self, engine: Engine) -> None:
        assert engine.bind(2) is engine.bind(2)
        assert engine.bind(2) is not engine.bind(4)
        assert engine.bind(2).batch == 2

    def test_a_step_reads_and_writes_the_same_arrays_for_life(self, engine: Engine) -> None:
        step = engine.bind(2)
        inputs, outputs = dict(step.inputs), dict(step.outputs)
        # The second fill is the one that a hidden copy of the buffers would miss.
        for seed in (1, 2):
            feeds = example_feeds(2, seed=seed)
            for name, values in feeds.items():
                inputs[name][...] = values
            step.run()
            for name, values in tiny_step(**feeds).items():
                np.testing.assert_allclose(outputs[name], values, atol=1e-6, err_msg=name)
        assert all(step.inputs[name] is array for name, array in inputs.items())
        assert all(step.outputs[name] is array for name, array in outputs.items())

    def test_a_step_leaves_its_inputs_alone(self, engine: Engine) -> None:
        step, feeds = engine.bind(2), example_feeds(2)
        for name, values in feeds.items():
            step.inputs[name][...] = values
        step.run()
        for name, values in feeds.items():
            assert (step.inputs[name] == values).all()

    def test_steps_of_two_batch_sizes_do_not_disturb_each_other(self, engine: Engine) -> None:
        kept = {name: values.copy() for name, values in _run(engine, 1, seed=1).items()}
        _run(engine, 4, seed=2)
        assert all((engine.bind(1).outputs[name] == values).all() for name, values in kept.items())

    @pytest.mark.parametrize("batch", [pytest.param(0, id="none"), pytest.param(5, id="more-than-max")])
    def test_a_batch_outside_of_the_range_is_refused(self, engine: Engine, batch: int) -> None:
        with pytest.raises(ContractError) as raised:
            engine.run(example_feeds(batch))
        assert message_of(raised) == f"Batch {batch} is outside of 1 to 4, the range of 'step'."
        with pytest.raises(ContractError):
            engine.bind(batch)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            pytest.param({"hidden": None}, "got inputs ['face']; expected ['face', 'hidden']", id="input-missing"),
            pytest.param(
                {"mood": np.zeros((2, 1), np.float32)}, "got inputs ['face', 'hidden', 'mood']", id="too-many"
            ),
            pytest.param({"hidden": np.zeros((2, HIDDEN))}, "'hidden' got dtype float64", id="float64"),
            pytest.param({"hidden": np.zeros((2, HIDDEN), np.int32)}, "'hidden' got dtype int32", id="int32"),
            pytest.param({"hidden": np.zeros((2, 5), np.float32)}, "shape (2, 5)", id="other-row"),
            pytest.param({"hidden": np.zeros(HIDDEN, np.float32)}, "shape (6,)", id="no-batch-axis"),
            pytest.param({"hidden": np.zeros((1, HIDDEN), np.float32)}, "different batch sizes, [1, 2]", id="batches"),
        ],
    )
    def test_feeds_that_break_the_contract_are_refused(
        self, engine: Engine, changes: dict[str, Array | None], expected: str
    ) -> None:
        feeds = {k: v for k, v in {**example_feeds(2), **changes}.items() if v is not None}
        with pytest.raises(ContractError) as raised:
            engine.run(feeds)
        assert expected in message_of(raised)

    @pytest.mark.parametrize(
        "promise",
        [
            pytest.param(_rename_an_input, id="input-of-another-name"),
            pytest.param(_drop_an_output, id="output-not-promised"),
            pytest.param(_widen_a_row, id="row-of-another-shape"),
            pytest.param(_add_an_axis, id="axis-too-many"),
        ],
    )
    def test_a_file_that_is_not_what_the_manifest_promises_is_refused(
        self, promise: Callable[[GraphSpec], GraphSpec]
    ) -> None:
        with pytest.raises(ContractError) as raised:
            self.make(promise(tiny_graph_spec()), tiny_step_bytes())
        assert "in its file" in message_of(raised)

    def test_outputs_in_another_order_are_refused(self) -> None:
        with pytest.raises(ContractError) as raised:
            self.make(_swap_two_outputs(tiny_graph_spec()), tiny_step_bytes())
        assert "in its file" in message_of(raised)

    @pytest.mark.parametrize(
        "model",
        [
            pytest.param(tiny_step_model(batch=1), id="batch-fixed-to-1"),
            pytest.param(tiny_step_model(batch=2), id="batch-fixed-to-2"),
            pytest.param(tiny_step_model(face_type=TensorProto.UINT8), id="input-of-another-type"),
        ],
    )
    def test_a_file_with_another_border_is_refused(self, model: onnx.ModelProto) -> None:
        with pytest.raises(ContractError) as raised:
            self.make(tiny_graph_spec(), model.SerializeToString())
        assert "the manifest promises float32 ['batch'" in message_of(raised)

    @pytest.mark.parametrize(
        "model",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"no model at all", id="text"),
            pytest.param(tiny_step_bytes()[:200], id="cut-off"),
        ],
    )
    def test_bytes_that_are_no_model_are_the_engines_error(self, model: bytes) -> None:
        with pytest.raises(EngineError) as raised:
            self.make(tiny_graph_spec(), model)
        message_of(raised)

    def test_a_failure_while_running_is_the_engines_error(self) -> None:
        engine = self.make(tiny_graph_spec(), _model_that_looks_up_its_own_quality())
        feeds = example_feeds(2)
        engine.run({**feeds, "face": np.zeros_like(feeds["face"])})
        with pytest.raises(EngineError) as raised:
            engine.run({**feeds, "face": np.full_like(feeds["face"], 1e6)})
        message_of(raised)
        engine.close()


def _run(engine: Engine, batch: int, *, seed: int) -> dict[str, Array]:
    step = engine.bind(batch)
    for name, values in example_feeds(batch, seed=seed).items():
        step.inputs[name][...] = values
    step.run()
    return dict(step.outputs)


def _model_that_looks_up_its_own_quality() -> bytes:
    """A sound graph with a table of two rows, which large faces point beyond: it fails only when it runs."""
    model = tiny_step_model()
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(2, np.float32), "table"))
    next(node for node in model.graph.node if node.op_type == "Sigmoid" and "quality" in node.output).input[0] = "found"
    lookup = [
        helper.make_node("Cast", ["raw_quality"], ["row"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "row"], ["found"]),
    ]
    nodes = [*model.graph.node[:-1], *lookup, model.graph.node[-1]]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    data: bytes = model.SerializeToString()
    return data
