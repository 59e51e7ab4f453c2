"""A step module to one ONNX file: torch.export, state in and state out, symbolic batch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch
from torch import Tensor, nn

from crystaledge.tensors import BATCH
from crystaledge_export.description import StepDescription
from crystaledge_export.errors import GuardError
from crystaledge_export.guards import guard_example_batch, guard_no_hidden_state
from crystaledge_export.pooling import pool_globally

OPSET = 18
"""What every TensorRT from JetPack 6 on parses, and ONNX Runtime on every Python we support."""
IR_VERSION = 8
"""The IR of opset 18, which TensorRT 8 on JetPack 5 and 6.0 was built with."""


def onnx_from_step(description: StepDescription, *, example_batch: int = 2) -> onnx.ModelProto:
    """Export a step.

    The GRU cell is decomposed by torch.export; BN is folded by the exporter. Names are those of the
    description. What differs from run to run or from checkout to checkout (stack traces, versions)
    is stripped, so that equal weights give equal bytes.

    Raises:
        GuardError: the module hides state, or the exporter refuses it.
    """
    guard_example_batch(example_batch)
    arguments = example_arguments(description, example_batch)
    guard_no_hidden_state(description.module, arguments)
    dynamic = {spec.name: {0: torch.export.Dim(BATCH, min=1, max=description.batch.max)} for spec in description.inputs}
    try:
        with _quiet_exporter():
            program = torch.onnx.export(
                _Named(description),
                arguments,
                dynamo=True,
                opset_version=OPSET,
                input_names=[spec.name for spec in description.inputs],
                output_names=[spec.name for spec in description.outputs],
                dynamic_shapes={"inputs": tuple(dynamic.values())},
                verbose=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        msg = f"The exporter refuses the step {description.name!r}: {str(error).splitlines()[0]}"
        raise GuardError(msg) from error
    if program is None:
        msg = f"The exporter gave nothing for the step {description.name!r}."
        raise GuardError(msg)
    model = program.model_proto  # made anew at every access
    pool_globally(model)
    return _reproducible(model)


def example_arguments(description: StepDescription, batch: int) -> tuple[Tensor, ...]:
    """One step's inputs in order: example observations, and states that are not zero."""
    generator = torch.Generator().manual_seed(0)
    observed = {k: torch.from_numpy(v[0]) for k, v in description.example(1, batch).items()}
    states = {p.input: torch.rand(batch, *p.shape, generator=generator) - 0.5 for p in description.states}
    return tuple((observed | states)[spec.name] for spec in description.inputs)


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """The exporter warns about its own internals and about a torchvision that nobody asked for."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


class _Named(nn.Module):
    """Gives the exporter one signature for every step: positional tensors in, a flat tuple out."""

    PREFIX = "step"

    def __init__(self, description: StepDescription) -> None:
        super().__init__()
        self.step = description.module

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.step(*inputs))


def _name_weights_as_the_module_does(graph: onnx.GraphProto) -> None:
    """`encoder.stem.0.weight`, without the wrapper's prefix: what was trained finds its place by name."""
    prefix = f"{_Named.PREFIX}."
    for initializer in graph.initializer:
        initializer.name = initializer.name.removeprefix(prefix)
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = name.removeprefix(prefix)


def _reproducible(model: onnx.ModelProto) -> onnx.ModelProto:
    model.ir_version = min(model.ir_version, IR_VERSION)
    model.producer_name, model.producer_version, model.doc_string = "crystaledge", "", ""
    del model.metadata_props[:]
    kept = [entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    graph = model.graph
    graph.name, graph.doc_string = "step", ""
    _name_weights_as_the_module_does(graph)
    del graph.metadata_props[:]
    del graph.value_info[:]
    for item in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]
    return model
