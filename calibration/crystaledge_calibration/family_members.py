"""The quantized graphs of a family beside the float ones that they were made from, ready to be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from crystaledge.bundle import Bundle
from crystaledge.errors import ContractError, UsageError
from crystaledge.manifest.model import GraphSpec, Precision
from crystaledge_calibration.family import Size, reads_images, size_of
from crystaledge_calibration.map_tally import MapTally
from crystaledge_calibration.observe import watched_step
from crystaledge_calibration.rollout import StepFunction

Array = NDArray[np.float32]
Maps = Mapping[str, Array]
_MAP_AXES = 3


@dataclass(frozen=True, slots=True)
class Member:
    """One size of a family: the deployed graph and the float one that it was made from."""

    graph: GraphSpec
    reference: GraphSpec
    models: tuple[ModelProto, ModelProto]
    """Float, deployed."""
    steps: tuple[StepFunction, StepFunction]
    tally: MapTally

    @property
    def stride_px(self) -> int:
        """Side of the cells of its coarsest map, in pixels of its image."""
        height, _ = size_of(self.graph)
        return height // min(spec.row_shape[-2] for spec in self.graph.outputs if len(spec.row_shape) == _MAP_AXES)

    def compared(self, rows: Array) -> tuple[Maps, Maps]:
        """Outputs of both sides, tallied; what the bundle promises as the largest batch goes in at once."""
        (image,) = (spec.name for spec in self.graph.inputs)
        parts: tuple[list[Maps], list[Maps]] = ([], [])
        for chunk in _chunks(rows, self.graph.batch.max):
            left, right = (step({image: chunk}) for step in self.steps)
            self.tally.add(left, right)
            parts[0].append(left)
            parts[1].append(right)
        return _joined(parts[0]), _joined(parts[1])


def families_to_verify(bundle: Bundle, name: str | None) -> list[tuple[GraphSpec, ...]]:
    """Quantized graphs that read images and run together, one family a target, that of whole images first.

    Args:
        name: only the family of this graph.

    Raises:
        UsageError: there is none, or the named graph is float32.
    """
    whole = bundle.manifest.preprocessing.size_hw
    graphs = [g for g in bundle.manifest.graphs if g.precision is not Precision.FLOAT32 and reads_images(g)]
    if name is not None:
        named = bundle.graph(name)
        graphs = [graph for graph in graphs if named in graphs and graph.target is named.target]
    if not graphs:
        what = f"the graph {name!r} is no quantized" if name else f"{bundle.path} has no quantized"
        msg = f"Nothing to verify: {what} graph that reads images. Quantize first."
        raise UsageError(msg)
    graphs.sort(key=lambda graph: size_of(graph) != whole)
    targets = dict.fromkeys(graph.target for graph in graphs)
    return [tuple(graph for graph in graphs if graph.target is target) for target in targets]


def members_of(bundle: Bundle, family: Sequence[GraphSpec]) -> dict[Size, Member]:
    """The graphs of a family by image size, ready to run."""
    return {size_of(graph): _member(bundle, graph) for graph in family}


def octave_sizes(bundle: Bundle, members: Mapping[Size, Member], octaves: int) -> list[Size]:
    """The sizes of whole images in each octave.

    Raises:
        ContractError: the family has no graph for one of them.
    """
    height, width = bundle.manifest.preprocessing.size_hw
    sizes = [(height >> octave, width >> octave) for octave in range(octaves)]
    missing = [f"{size[0]}x{size[1]}" for size in sizes if size not in members]
    if missing:
        msg = f"The quantized graphs of {bundle.path} lack the size {missing[0]} px; quantize them together again."
        raise ContractError(msg)
    return sizes


def window_rows(rows: Array, size_hw: Size, *, stride_px: int, seed: tuple[int, ...]) -> Array:
    """One window of each image, where cells begin."""
    random = np.random.default_rng((*seed, *size_hw))
    spare = [(whole - part) // stride_px for whole, part in zip(rows.shape[2:], size_hw, strict=True)]
    places = random.integers(0, np.array(spare) + 1, (len(rows), 2)) * stride_px
    return np.stack([row[:, y : y + size_hw[0], x : x + size_hw[1]] for row, (y, x) in zip(rows, places, strict=True)])


def _member(bundle: Bundle, graph: GraphSpec) -> Member:
    reference = bundle.graph(graph.derived_from)
    float32, deployed = (onnx.load_from_string(bundle.graph_bytes(one)) for one in (reference, graph))
    steps = watched_step(float32, ()), watched_step(deployed, ())
    return Member(graph, reference, (float32, deployed), steps, MapTally())


def _chunks(rows: Array, size: int) -> Iterator[Array]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _joined(parts: Sequence[Maps]) -> Maps:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
