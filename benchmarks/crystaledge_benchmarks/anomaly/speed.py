"""CPU time of one image, and where it goes: resizing, the graph, the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crystaledge.anomaly.scoring import score
from crystaledge.bundle import Bundle
from crystaledge.engine.select import open_engine
from crystaledge.pipeline import PipelineOptions
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.sources.frame import Frame
from crystaledge.systems.anomaly import AnomalyPipeline
from crystaledge.systems.anomaly_contract import DISTANCE, FEATURES, IMAGE
from crystaledge.systems.anomaly_memory import scoring_of
from crystaledge_benchmarks.cpu import CpuClock, Spread
from crystaledge_benchmarks.table import PartReport, Table, number

NAME = "speed"


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphCost:
    """CPU milliseconds an image, one thread."""

    graph: str
    whole_ms: Spread
    resize_ms: Spread
    graph_ms: Spread
    host_ms: Spread

    @property
    def images_per_second(self) -> float:
        """Of CPU time."""
        return 1000.0 / self.whole_ms.median


def run(bundle: Bundle, frames: Sequence[Frame], *, repeats: int) -> PartReport:
    """Measure every graph of a bundle that ONNX Runtime runs."""
    costs = [cost_of(bundle, graph.name, frames, repeats=repeats) for graph in bundle.manifest.graphs]
    rows = tuple(
        (
            c.graph,
            c.whole_ms.text(),
            c.resize_ms.text(),
            c.graph_ms.text(),
            c.host_ms.text(),
            number(c.images_per_second, 1),
        )
        for c in costs
    )
    header = ("graph", "whole", "resize", "graph", "host", "images/s")
    title = f"CPU ms an image of {len(frames)}, one thread, decoding excluded: median (least-most) of {repeats}"
    return PartReport(name=NAME, tables=(Table(title, header, rows),), findings=(), record=costs)


def cost_of(bundle: Bundle, graph: str, frames: Sequence[Frame], *, repeats: int) -> GraphCost:
    """Cost of one graph: the whole pipeline, and its parts alone."""
    with AnomalyPipeline(bundle, PipelineOptions(graph=graph, unverified=True)) as pipeline:
        pipeline.look(frames[0])
        whole = [_timed(pipeline.look, frames) for _ in range(repeats)]
    spec = next(one for one in bundle.manifest.graphs if one.name == graph)
    step, preprocessor = open_engine(bundle, spec).bind(1), Preprocessor(bundle.manifest.preprocessing)
    scoring, row = scoring_of(bundle), step.inputs[IMAGE][0]

    def judge(frame: Frame) -> None:
        distance = step.outputs[DISTANCE][0] if DISTANCE in step.outputs else None
        score(distance, step.outputs[FEATURES][0] if scoring.bank is not None else None, scoring)

    step.run()
    parts = [
        (
            _timed(lambda frame: preprocessor.into(row, frame.pixels, frame.color), frames),
            _timed(lambda frame: step.run(), frames),
            _timed(judge, frames),
        )
        for _ in range(repeats)
    ]
    resize, engine, host = (Spread.of([part[i] for part in parts]) for i in range(3))
    return GraphCost(graph=graph, whole_ms=Spread.of(whole), resize_ms=resize, graph_ms=engine, host_ms=host)


def _timed(act: Callable[[Frame], object], frames: Sequence[Frame]) -> float:
    clock = CpuClock()
    with clock:
        for frame in frames:
            act(frame)
    return 1000.0 * clock.total_s / len(frames)
