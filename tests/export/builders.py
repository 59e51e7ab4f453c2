"""Checkpoints that know nobody, and ONNX models with something wrong in them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge.manifest.model import BatchRange, GraphSpec, Precision
from crystaledge_export.description import StepDescription
from crystaledge_export.mnemosyne import describe
from crystaledge_training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from crystaledge_training.mnemosyne.config import DEFAULT_PREPROCESSING, MnemosyneConfig
from crystaledge_training.mnemosyne.network import Mnemosyne
from tests.training.builders import TINY_SIZES, TINY_SPEC, sample_decision, sample_record, tiny_network

FEW = BatchRange(min=1, max=4, buckets=(1, 2, 4))
"""So that checks at the largest batch are quick."""
Change = Callable[[onnx.ModelProto], None]


def write_random(path: Path, network: Mnemosyne) -> Checkpoint:
    """A checkpoint of a network, as `train` would write it."""
    tiny = network.config == TINY_SIZES
    record = sample_record(network, decision=sample_decision(dimensions=network.config.hidden))
    record = replace(record, preprocessing=TINY_SPEC if tiny else DEFAULT_PREPROCESSING)
    write_checkpoint(path, record, network.state_dict())
    return read_checkpoint(path)


def published_checkpoint(path: Path) -> Checkpoint:
    """Random weights of the published sizes; biases and batch-norm statistics are random too."""
    return write_random(path, tiny_network(sizes=MnemosyneConfig()))


def tiny_checkpoint(path: Path) -> Checkpoint:
    """A small one that finds every face poor, so that its state changes slowly and keeps errors for long."""
    network = tiny_network()
    torch.nn.init.constant_(network.quality.bias, -3.0)
    return write_random(path, network)


def tiny_description(path: Path) -> StepDescription:
    """The step of the small checkpoint, for few batches; a module of its own at every call."""
    return replace(describe(tiny_checkpoint(path)), batch=FEW)


def graph_spec(description: StepDescription) -> GraphSpec:
    """What a manifest would say about the description's graph."""
    return GraphSpec(
        name=description.name,
        file="graphs/step.onnx",
        precision=Precision.FLOAT32,
        target=None,
        derived_from=None,
        opset=18,
        ir_version=10,
        inputs=description.inputs,
        outputs=description.outputs,
        batch=description.batch,
        states=description.states,
    )


def engine_of(model: onnx.ModelProto, description: StepDescription) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(graph_spec(description), model.SerializeToString())


def changed(model: onnx.ModelProto, *changes: Change) -> onnx.ModelProto:
    """A copy with something done to it; still a legal model, or the fault would not be silent."""
    copy = deepcopy(model)
    for change in changes:
        change(copy)
    return copy


def initializer(model: onnx.ModelProto, ending: str) -> tuple[onnx.TensorProto, NDArray[np.float32]]:
    """The weight whose name ends so, and a copy of its values."""
    (found,) = (t for t in model.graph.initializer if t.name.endswith(ending))
    return found, numpy_helper.to_array(found).copy()


def set_weight(ending: str, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Change:
    """Replace a weight by a function of it."""

    def apply(model: onnx.ModelProto) -> None:
        tensor, values = initializer(model, ending)
        tensor.CopyFrom(numpy_helper.from_array(change(values), tensor.name))

    return apply


def read_instead(name: str, nodes: list[onnx.NodeProto], other: str) -> Change:
    """Let everything that reads the tensor `name` read `other`, which new nodes make."""

    def apply(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.input[:] = [other if read == name else read for read in node.input]
        old = list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend([*nodes, *old])

    return apply


def write_instead(name: str, nodes: list[onnx.NodeProto], raw: str) -> Change:
    """Let the node that makes the output `name` make `raw`, from which new nodes make `name`."""

    def apply(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.output[:] = [raw if made == name else made for made in node.output]
            node.input[:] = [raw if read == name else read for read in node.input]
        model.graph.node.extend(nodes)

    return apply


def add_constant(name: str, values: NDArray[np.generic]) -> Change:
    """A new initializer."""

    def apply(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(values, name))

    return apply


def only_first_row(name: str) -> tuple[Change, ...]:
    """Every row gets what the first row has: right at batch 1, wrong beyond."""
    nodes = [
        helper.make_node("Gather", [name, "row_zero"], ["first"], axis=0),
        helper.make_node("Shape", [name], ["full_shape"]),
        helper.make_node("Expand", ["first", "full_shape"], ["first_everywhere"]),
    ]
    return add_constant("row_zero", np.array([0], np.int64)), read_instead(name, nodes, "first_everywhere")


def wrong_beyond(name: str, batch: int, error: float) -> tuple[Change, ...]:
    """The output `name` is off by `error` where the batch is larger than `batch`."""
    nodes = [
        helper.make_node("Shape", ["hidden"], ["rows"], start=0, end=1),
        helper.make_node("Greater", ["rows", "most_rows"], ["too_many"]),
        helper.make_node("Cast", ["too_many"], ["as_float"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", ["as_float", "the_error"], ["what_to_add"]),
        helper.make_node("Add", [f"{name}_raw", "what_to_add"], [name]),
    ]
    return (
        add_constant("most_rows", np.array([batch], np.int64)),
        add_constant("the_error", np.array([error], np.float32)),
        write_instead(name, nodes, f"{name}_raw"),
    )


def off_by(name: str, error: float) -> tuple[Change, ...]:
    """The output `name` is off by `error` at every step."""
    return (
        add_constant("the_error", np.array(error, np.float32)),
        write_instead(name, [helper.make_node("Add", [f"{name}_raw", "the_error"], [name])], f"{name}_raw"),
    )
