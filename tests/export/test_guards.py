"""Each guard against a fault that was planted for it: nothing here would show in a quick look at one frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from crystaledge.errors import GateFailedError
from crystaledge_calibration.drift import drift
from crystaledge_calibration.rollout import roll_out_engine
from crystaledge_export.description import StepDescription
from crystaledge_export.errors import GuardError
from crystaledge_export.guards import (
    ROLLOUT_STEPS,
    TOLERANCE,
    guard_border,
    guard_example_batch,
    guard_no_hidden_state,
    guard_parity,
    torch_rollout,
)
from crystaledge_export.to_onnx import example_arguments
from tests.export.builders import (
    Change,
    add_constant,
    changed,
    engine_of,
    graph_spec,
    off_by,
    only_first_row,
    read_instead,
    set_weight,
    write_instead,
    wrong_beyond,
)


class TestExampleBatch:
    @pytest.mark.parametrize("batch", [1, 0])
    def test_refuses_what_torch_would_make_static(self, batch: int) -> None:
        with pytest.raises(GuardError, match=f"example batch is {batch}"):
            guard_example_batch(batch)

    def test_accepts_two(self) -> None:
        guard_example_batch(2)


def test_a_guard_that_refuses_is_an_answer_and_not_bad_input() -> None:
    assert issubclass(GuardError, GateFailedError)
    assert GuardError.exit_status == 1


class Remembering(nn.Module):
    """A step with a memory of its own, kept in a buffer, that shows in what it answers or does not."""

    def __init__(self, *, persistent: bool, shows: bool) -> None:
        super().__init__()
        self.memory: Tensor
        self.register_buffer("memory", torch.zeros(1), persistent=persistent)
        self._shows = shows

    def forward(self, face: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
        self.memory += 1.0
        return (hidden + (self.memory if self._shows else 0.0), hidden[:, :1])


class Forwarding(nn.Module):
    """A step with a forward of choice."""

    def __init__(self, forward: Callable[[Tensor, Tensor], tuple[Tensor, ...]]) -> None:
        super().__init__()
        self._forward = forward

    def forward(self, face: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
        return self._forward(face, hidden)


class TestHiddenState:
    arguments = (torch.ones(2, 3, 4, 4), torch.full((2, 8), 0.5))

    def test_accepts_a_pure_step(self, tiny: StepDescription) -> None:
        guard_no_hidden_state(tiny.module, example_arguments(tiny, 2))

    @pytest.mark.parametrize("shows", [True, False])
    @pytest.mark.parametrize("persistent", [True, False])
    def test_refuses_a_buffer_that_forward_changes(self, persistent: bool, shows: bool) -> None:
        # One that is not persistent is in no state_dict, and is baked into the graph all the same.
        with pytest.raises(GuardError):
            guard_no_hidden_state(Remembering(persistent=persistent, shows=shows).eval(), self.arguments)

    def test_names_the_buffer(self) -> None:
        with pytest.raises(GuardError, match="buffer 'memory'"):
            guard_no_hidden_state(Remembering(persistent=True, shows=False).eval(), self.arguments)

    def test_refuses_a_memory_outside_of_any_buffer(self) -> None:
        calls: list[int] = []

        def counting(face: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
            calls.append(1)
            return (hidden * 1.0, hidden + float(len(calls)))

        with pytest.raises(GuardError, match="Output 1 differs when the same step is run twice"):
            guard_no_hidden_state(Forwarding(counting).eval(), self.arguments)

    def test_refuses_chance(self) -> None:
        with pytest.raises(GuardError, match="Output 0 differs"):
            guard_no_hidden_state(Forwarding(lambda f, h: (h + torch.rand_like(h),)).eval(), self.arguments)

    def test_refuses_a_step_that_writes_into_its_input(self) -> None:
        arguments = (self.arguments[0], torch.full((2, 8), 0.5))
        with pytest.raises(GuardError, match="Output 0 differs"):
            guard_no_hidden_state(Forwarding(lambda f, h: (h.mul_(0.5),)).eval(), arguments)

    def test_refuses_training_mode(self, tiny: StepDescription) -> None:
        tiny.module.train()
        with pytest.raises(GuardError, match="training mode"):
            guard_no_hidden_state(tiny.module, example_arguments(tiny, 2))

    def test_refuses_a_part_in_training_mode(self, tiny: StepDescription) -> None:
        # The module as a whole says that it is in inference mode; its batch norm is not.
        norm = next(m for m in tiny.module.modules() if isinstance(m, nn.BatchNorm2d))
        norm.train()
        with pytest.raises(GuardError, match=r"running_mean|running_var|num_batches_tracked"):
            guard_no_hidden_state(tiny.module, example_arguments(tiny, 2))


def rename_output(model: onnx.ModelProto) -> None:
    write_instead("velocity", [], "speed")(model)
    next(v for v in model.graph.output if v.name == "velocity").name = "speed"


def swap_outputs(model: onnx.ModelProto) -> None:
    second, third = model.graph.output[1], model.graph.output[2]
    copy = onnx.ValueInfoProto()
    copy.CopyFrom(second)
    second.CopyFrom(third)
    third.CopyFrom(copy)


def drop_output(model: onnx.ModelProto) -> None:
    del model.graph.output[-1]


def extra_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("gossip", TensorProto.FLOAT, ["batch", 1]))


def set_axis(side: str, name: str, axis: int, size: int | str) -> Change:
    def apply(model: onnx.ModelProto) -> None:
        value = next(v for v in getattr(model.graph, side) if v.name == name)
        dimension = value.type.tensor_type.shape.dim[axis]
        dimension.Clear()
        if isinstance(size, str):
            dimension.dim_param = size
        else:
            dimension.dim_value = size

    return apply


def set_type(side: str, name: str, kind: int) -> Change:
    def apply(model: onnx.ModelProto) -> None:
        next(v for v in getattr(model.graph, side) if v.name == name).type.tensor_type.elem_type = kind

    return apply


def forget_shape(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.ClearField("shape")


def foreign_operator(model: onnx.ModelProto) -> None:
    node = next(n for n in model.graph.node if n.op_type == "Relu")
    node.domain = "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def unused_state(model: onnx.ModelProto) -> None:
    add_constant("frozen", np.zeros((1, 8), np.float32))(model)
    read_instead("hidden", [], "frozen")(model)


class TestBorder:
    def test_accepts_the_graph_as_it_is_exported(self, tiny_model: onnx.ModelProto, tiny: StepDescription) -> None:
        guard_border(tiny_model, tiny)

    @pytest.mark.parametrize(
        ("fault", "says"),
        [
            (rename_output, "outputs are .*'speed'.*expected .*'velocity'"),
            (swap_outputs, "outputs are .*'log_variance', 'velocity'"),
            (drop_output, "outputs are"),
            (extra_input, "inputs are .*'gossip'"),
            (set_axis("input", "face", 0, 2), r"input 'face' has shape \[2, 3, 32, 32\]; its batch must be symbolic"),
            (set_axis("output", "velocity", 0, 1), r"output 'velocity' has shape \[1, 1\]; its batch must be symbolic"),
            (set_axis("output", "hidden_next", 1, 9), "output 'hidden_next' has shape .*expected"),
            (set_axis("input", "face", 2, "height"), "input 'face' has shape .*expected"),
            (forget_shape, r"output 'hidden_next' has shape \[\]"),
            (set_type("input", "hidden", TensorProto.FLOAT16), "input 'hidden' is FLOAT16; .* float32"),
            (set_type("output", "quality", TensorProto.DOUBLE), "output 'quality' is DOUBLE; .* float32"),
            (foreign_operator, "domain 'com.microsoft'"),
            (unused_state, "No node reads the state 'hidden'"),
        ],
        ids=lambda value: getattr(value, "__name__", None),
    )
    def test_refuses(self, tiny_model: onnx.ModelProto, tiny: StepDescription, fault: Change, says: str) -> None:
        with pytest.raises(GuardError, match=says):
            guard_border(changed(tiny_model, fault), tiny)

    def test_refuses_a_graph_with_the_batch_written_down(self, tiny: StepDescription) -> None:
        # A model of no exporter: one Identity for each output, made for batch 2.
        inputs = [
            helper.make_tensor_value_info(s.name, TensorProto.FLOAT, ["batch", *s.row_shape]) for s in tiny.inputs
        ]
        outputs = [helper.make_tensor_value_info(s.name, TensorProto.FLOAT, [2, *s.row_shape]) for s in tiny.outputs]
        nodes = [helper.make_node("Identity", ["hidden"], [s.name]) for s in tiny.outputs]
        model = helper.make_model(helper.make_graph(nodes, "step", inputs, outputs))
        with pytest.raises(GuardError, match=r"output 'hidden_next' has shape \[2, 8\]; its batch must be symbolic"):
            guard_border(model, tiny)


class TestParity:
    def refused(self, model: onnx.ModelProto, tiny: StepDescription) -> str:
        with pytest.raises(GuardError) as caught:
            guard_parity(engine_of(model, tiny), tiny)
        return str(caught.value)

    def test_accepts_the_graph_as_it_is_exported_and_says_how_near_it_is(
        self, tiny_model: onnx.ModelProto, tiny: StepDescription
    ) -> None:
        engine = engine_of(tiny_model, tiny)
        summary = guard_parity(engine, tiny)
        assert (summary.steps, summary.batches, summary.tolerance) == (16, (1, 2, 4), TOLERANCE)
        largest = 0.0
        for batch in (1, 2, 4):
            observations = tiny.example(ROLLOUT_STEPS, batch)
            reference = torch_rollout(tiny, engine.graph, observations)
            for found in drift(reference, roll_out_engine(engine, observations)):
                largest = max(largest, found.worst)
        assert summary.max_abs_error == largest
        assert 0.0 < largest < 2e-6  # float32 leaves a trace, and far less of one than is tolerated

    def test_the_reference_is_the_module_itself_in_closed_loop(self, tiny: StepDescription) -> None:
        observations = tiny.example(5, 2)
        found = torch_rollout(tiny, graph_spec(tiny), observations)
        hidden = torch.zeros(2, 8)
        for t in range(5):
            with torch.no_grad():
                outputs = tiny.module(torch.from_numpy(observations["face"][t]), hidden)
            for spec, tensor in zip(tiny.outputs, outputs, strict=True):
                np.testing.assert_array_equal(found[spec.name][t], tensor.numpy())
            hidden = outputs[0]

    def test_refuses_a_weight_that_is_slightly_off_at_the_first_step(
        self, tiny_model: onnx.ModelProto, tiny: StepDescription
    ) -> None:
        # By a hundredth. The quality is off first; the tensor that is off most is named.
        message = self.refused(changed(tiny_model, set_weight("quality.bias", lambda b: b + np.float32(0.01))), tiny)
        assert "At batch 1 the tensor 'hidden_next'" in message
        assert first_step(message) == 1

    def test_refuses_a_recurrent_weight_that_a_single_frame_cannot_show(
        self, tiny_model: onnx.ModelProto, tiny: StepDescription
    ) -> None:
        model = changed(tiny_model, set_weight("cell.weight_hh", lambda w: w + np.float32(0.05)))
        observations = tiny.example(1, 2)
        engine = engine_of(model, tiny)
        first = drift(torch_rollout(tiny, engine.graph, observations), roll_out_engine(engine, observations))
        assert max(d.worst for d in first) < 2e-6  # from the zero state the fault is invisible
        message = self.refused(model, tiny)
        assert "At batch 1 the tensor 'hidden_next'" in message
        assert first_step(message) >= 2

    def test_refuses_an_error_that_is_tolerable_in_one_step_and_adds_up(
        self, tiny_model: onnx.ModelProto, tiny: StepDescription
    ) -> None:
        message = self.refused(changed(tiny_model, *off_by("hidden_next", 0.3 * TOLERANCE)), tiny)
        assert "the tensor 'hidden_next'" in message
        assert first_step(message) >= 4  # three steps of it are less than the tolerance

    @pytest.mark.parametrize("name", ["velocity", "log_variance", "quality"])
    def test_names_the_tensor(self, tiny_model: onnx.ModelProto, tiny: StepDescription, name: str) -> None:
        message = self.refused(changed(tiny_model, *off_by(name, 1e-3)), tiny)
        assert f"At batch 1 the tensor '{name}' differs from torch by 1.00e-03" in message
        assert first_step(message) == 1

    def test_refuses_rows_that_share_the_first_rows_state(
        self, tiny_model: onnx.ModelProto, tiny: StepDescription
    ) -> None:
        message = self.refused(changed(tiny_model, *only_first_row("hidden")), tiny)
        assert "At batch 2 " in message  # at batch 1 there is nothing to see
        assert first_step(message) >= 2

    def test_refuses_rows_that_share_the_first_rows_face(
        self, tiny_model: onnx.ModelProto, tiny: StepDescription
    ) -> None:
        message = self.refused(changed(tiny_model, *only_first_row("face")), tiny)
        assert "At batch 2 " in message
        assert first_step(message) == 1

    @pytest.mark.parametrize(("right_up_to", "batch"), [(1, 2), (2, 4), (3, 4)])
    def test_refuses_a_graph_that_is_wrong_at_large_batches_only(
        self, tiny_model: onnx.ModelProto, tiny: StepDescription, right_up_to: int, batch: int
    ) -> None:
        model = changed(tiny_model, *wrong_beyond("velocity", right_up_to, 1e-3))
        assert f"At batch {batch} the tensor 'velocity'" in self.refused(model, tiny)

    def test_the_planted_faults_are_the_only_ones(self, tiny_model: onnx.ModelProto, tiny: StepDescription) -> None:
        # The same surgery without an error in it passes, so that the tests above see the error alone.
        for harmless in (off_by("hidden_next", 0.0), wrong_beyond("velocity", 4, 1e-3)):
            guard_parity(engine_of(changed(tiny_model, *harmless), tiny), tiny)

    def test_refuses_what_is_not_a_number_even_where_both_sides_agree(
        self, tiny_model: onnx.ModelProto, tiny: StepDescription
    ) -> None:
        bias = tiny.module.get_parameter("convergence.bias")
        nn.init.constant_(bias, float("nan"))
        broken = set_weight("convergence.bias", lambda values: np.full_like(values, np.nan))
        for model in (tiny_model, changed(tiny_model, broken)):
            assert "differs from torch by inf" in self.refused(model, tiny)

    def test_the_example_does_exercise_the_step(self, tiny: StepDescription) -> None:
        # A parity check on frames that leave the state where it is would pass anything.
        outputs = torch_rollout(tiny, graph_spec(tiny), tiny.example(ROLLOUT_STEPS, 4))
        moved = np.abs(np.diff(outputs["hidden_next"], axis=0)).max(axis=2)
        assert moved.min() > 10 * TOLERANCE
        rows = outputs["hidden_next"][-1]
        assert min(np.abs(rows[i] - rows[j]).max() for i in range(4) for j in range(i)) > 10 * TOLERANCE


def first_step(message: str) -> int:
    """The step that a refusal names."""
    return int(message.rsplit(" at step ", 1)[1].split(" ", 1)[0])


def test_weights_can_be_found_by_their_names(tiny_model: onnx.ModelProto, tiny: StepDescription) -> None:
    # The surgery above relies on it: the graph holds the module's own recurrent weights.
    (tensor,) = (t for t in tiny_model.graph.initializer if t.name.endswith("cell.weight_hh"))
    expected = tiny.module.get_parameter("cell.weight_hh").detach().numpy()
    np.testing.assert_array_equal(numpy_helper.to_array(tensor), expected)
