"""The exported graph: what every target can read, and nothing that differs from run to run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from crystaledge_export.description import StepDescription
from crystaledge_export.errors import GuardError
from crystaledge_export.export import Exported
from crystaledge_export.guards import guard_border
from crystaledge_export.to_onnx import example_arguments, onnx_from_step
from tests.export.builders import engine_of

Forward = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


@pytest.fixture(scope="module")
def model(exported: Exported) -> onnx.ModelProto:
    """The graph of the published sizes, as it lies in the bundle."""
    bundle = exported.bundle
    return onnx.load_from_string(bundle.graph_bytes(bundle.graph()))


def shape_of(value: onnx.ValueInfoProto) -> list[str | int]:
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


class TestGraph:
    def test_is_opset_18_and_ir_10_or_older(self, model: onnx.ModelProto) -> None:
        assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
        assert model.ir_version <= 10

    def test_uses_standard_operators_alone(self, model: onnx.ModelProto) -> None:
        assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
        assert len(model.functions) == 0
        onnx.checker.check_model(model, full_check=True)

    def test_has_the_published_heavy_operators_and_a_decomposed_cell(self, model: onnx.ModelProto) -> None:
        # Architectures, 1.10: ten convolutions; Gemm for projection, quality, both GRU matrices, convergence.
        found = Counter(node.op_type for node in model.graph.node)
        assert (found["Conv"], found["Gemm"]) == (10, 5)
        assert not {"GRU", "LSTM", "RNN", "Loop", "Scan", "If", "BatchNormalization"} & set(found)

    def test_has_no_subgraph_and_no_tensor_outside_the_file(self, model: onnx.ModelProto) -> None:
        assert not [a.name for node in model.graph.node for a in node.attribute if a.HasField("g") or a.graphs]
        assert not [t.name for t in model.graph.initializer if t.external_data or t.data_location]

    def test_border_has_names_types_and_a_symbolic_batch(self, model: onnx.ModelProto) -> None:
        inputs = {value.name: shape_of(value) for value in model.graph.input}
        outputs = {value.name: shape_of(value) for value in model.graph.output}
        assert inputs == {"face": ["batch", 3, 64, 64], "hidden": ["batch", 64]}
        assert outputs == {
            "hidden_next": ["batch", 64],
            "velocity": ["batch", 1],
            "log_variance": ["batch", 1],
            "quality": ["batch", 1],
        }
        assert list(inputs) == ["face", "hidden"]
        assert list(outputs) == ["hidden_next", "velocity", "log_variance", "quality"]
        for value in (*model.graph.input, *model.graph.output):
            assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT

    def test_holds_the_weights_and_little_else(self, model: onnx.ModelProto) -> None:
        # Batch norm is folded: of its 592 trained and 592 running values none is left.
        floats = [numpy_helper.to_array(t) for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
        assert 43_379 - 592 <= sum(a.size for a in floats) <= 43_379 - 592 + 64
        assert len(model.SerializeToString()) < 220_000

    def test_says_nothing_about_the_machine_it_was_made_on(self, model: onnx.ModelProto) -> None:
        data = model.SerializeToString()
        assert model.producer_name == "crystaledge"
        for trace in (rb"\.py\b", rb"/site-packages", rb"/home/", rb"/work/", rb"\b2\.\d+\.\d+\b", rb"pkg\.torch"):
            assert not re.search(trace, data), trace


class TestSteps:
    @pytest.mark.parametrize("batch", [1, 2, 3, 7])
    def test_one_step_agrees_with_torch_at_batches_that_were_not_traced(
        self, tiny_model: onnx.ModelProto, tiny: StepDescription, batch: int
    ) -> None:
        wide = replace(tiny, batch=replace(tiny.batch, max=8, buckets=(8,)))
        generator = torch.Generator().manual_seed(batch)
        face = torch.rand(batch, 3, 32, 32, generator=generator) * 4 - 2
        hidden = torch.rand(batch, 8, generator=generator) * 2 - 1
        found = engine_of(tiny_model, wide).run({"face": face.numpy(), "hidden": hidden.numpy()})
        with torch.no_grad():
            expected = tiny.module(face, hidden)
        for spec, tensor in zip(tiny.outputs, expected, strict=True):
            np.testing.assert_allclose(found[spec.name], tensor.numpy(), atol=1e-5)

    def test_equal_steps_give_equal_bytes_and_the_module_is_left_alone(
        self, tiny: StepDescription, tiny_model: onnx.ModelProto
    ) -> None:
        before = {name: tensor.clone() for name, tensor in tiny.module.state_dict().items()}
        torch.manual_seed(99)
        again = onnx_from_step(tiny)
        assert again.SerializeToString(deterministic=True) == tiny_model.SerializeToString(deterministic=True)
        assert all(torch.equal(t, before[name]) for name, t in tiny.module.state_dict().items())
        assert not tiny.module.training

    def test_example_arguments_are_in_order_and_have_states_that_are_not_zero(self, tiny: StepDescription) -> None:
        face, hidden = example_arguments(tiny, 3)
        assert face.shape == (3, 3, 32, 32)
        assert hidden.shape == (3, 8)
        assert hidden.abs().min() > 0
        assert len({tuple(row.tolist()) for row in hidden}) == 3  # nor equal from row to row
        assert all(torch.equal(a, b) for a, b in zip((face, hidden), example_arguments(tiny, 3), strict=True))


class Step(nn.Module):
    """A step as wide as the tiny one, with a forward of choice."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self._forward = forward

    def forward(self, face: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
        return self._forward(face, hidden)


def outputs_of(hidden: Tensor) -> tuple[Tensor, ...]:
    return hidden, hidden[:, :1], hidden[:, 1:2], hidden[:, 2:3]


def reshaped_to_two(face: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
    pooled = face.mean(dim=(2, 3)).reshape(2, 3)  # the batch of the example, written down
    return outputs_of(hidden + pooled.sum(dim=1, keepdim=True))


def one_output_for_two(face: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
    following, _, log_variance, quality = outputs_of(hidden + face.mean(dim=(1, 2, 3)).unsqueeze(1))
    return following, torch.zeros(2, 1), log_variance, quality


def branching(face: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
    return outputs_of(hidden + 1.0 if bool(hidden.sum() > 0) else hidden + face.mean())


class TestRefuses:
    def test_to_trace_with_batch_1(self, tiny: StepDescription) -> None:
        with pytest.raises(GuardError, match="example batch is 1"):
            onnx_from_step(tiny, example_batch=1)

    def test_a_module_in_training_mode(self, tiny: StepDescription) -> None:
        tiny.module.train()
        with pytest.raises(GuardError, match="training mode"):
            onnx_from_step(tiny)

    def test_a_step_that_torch_cannot_export_in_one_line(self, tiny: StepDescription) -> None:
        with pytest.raises(GuardError, match="refuses the step 'step'") as caught:
            onnx_from_step(replace(tiny, module=Step(branching).eval()))
        assert len(str(caught.value).splitlines()) == 1

    @pytest.mark.parametrize(
        ("forward", "says"),
        [
            (reshaped_to_two, r"input 'face' has shape \[2, 3, 32, 32\]"),
            (one_output_for_two, r"output 'velocity' has shape \[2, 1\]"),
        ],
    )
    def test_a_step_for_one_batch_size_only_at_its_border(
        self, tiny: StepDescription, forward: Forward, says: str
    ) -> None:
        # Torch exports these without a word; the guard of the border is what notices.
        description = replace(tiny, module=Step(forward).eval())
        with pytest.raises(GuardError, match=f"{says}; its batch must be symbolic"):
            guard_border(onnx_from_step(description), description)

    def test_a_step_that_hides_state(self, tiny: StepDescription) -> None:
        kept: list[Tensor] = []

        def remembering(face: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
            kept.append(face.mean(dim=(2, 3)).sum(dim=1, keepdim=True))
            return outputs_of(hidden + torch.stack(kept).sum(dim=0))

        with pytest.raises(GuardError, match="run twice"):
            onnx_from_step(replace(tiny, module=Step(remembering).eval()))


def test_a_graph_of_other_sizes_has_other_borders(tiny_model: onnx.ModelProto, tmp_path: Path) -> None:
    assert {value.name: shape_of(value) for value in tiny_model.graph.input} == {
        "face": ["batch", 3, 32, 32],
        "hidden": ["batch", 8],
    }
