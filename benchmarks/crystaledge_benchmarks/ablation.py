"""What each step of quantization is worth: `python -m crystaledge_benchmarks.ablation BUNDLE DIR TRAIN TEST`.

DIR holds identities, TRAIN and TEST are lists of people: the first calibrate, the second are verified on.
Every row is a graph that went through the whole closed-loop gate; the peers (ONNX Runtime's default
static quantization, frame-wise calibration) go through the same one.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from crystaledge.bundle import Bundle
from crystaledge.locate import FixedBox
from crystaledge.manifest.model import GraphSpec, Precision, Target
from crystaledge_calibration.choices import Calibrator
from crystaledge_calibration.clips import open_clips
from crystaledge_calibration.quantize import quantize_graph, quantized_name
from crystaledge_calibration.recipe import RecipeOptions
from crystaledge_calibration.records import VerificationRecord
from crystaledge_calibration.rollout import initial_states, observed_inputs
from crystaledge_calibration.search import Goal
from crystaledge_calibration.sequence_set import SequenceSet, choose_sequences
from crystaledge_calibration.state_source import StateSource
from crystaledge_calibration.step_model import weighted_nodes
from crystaledge_calibration.verify import VerifyOptions, verify_graph

SEQUENCES, TESTED, STEPS, HORIZON, WORKERS = 128, 400, 256, 1000, 2
_PLAIN = RecipeOptions(
    target=Target.TENSORRT, calibrator=Calibrator.MINMAX, equalize=False, correct_bias=False, workers=WORKERS
)
_BEST = replace(_PLAIN, calibrator=None)
_TENSORRT = {
    "per_channel": True,
    "activation_type": QuantType.QInt8,
    "op_types_to_quantize": ["Conv", "Gemm", "MatMul"],
    "extra_options": {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
}


@dataclass(frozen=True, slots=True)
class Row:
    """One way to quantize the same graph."""

    name: str
    make: Callable[[], tuple[bytes, float]]
    """Gives the ONNX file and the share of its MACs that are int8."""


def rows(bundle: Bundle, graph: GraphSpec, sequences: SequenceSet) -> Iterator[Row]:
    """Every row of the table."""
    model = onnx.load_from_string(bundle.graph_bytes(graph))
    nodes = weighted_nodes(model)
    gemms = tuple(node.name for node in nodes if node.op != "Conv")
    convolutions = tuple(node.name for node in nodes if node.op == "Conv")

    def ours(name: str, options: RecipeOptions, *, trained: bool = False) -> Row:
        def make() -> tuple[bytes, float]:
            made = quantize_graph(bundle, graph, sequences, options, use_trained=trained)
            return made.model.SerializeToString(), made.record.macs_int8

        return Row(name, make)

    yield Row("ONNX Runtime, default static", lambda: (_onnxruntime(bundle, graph, sequences), 1.0))
    yield Row("... with TensorRT's options", lambda: (_onnxruntime(bundle, graph, sequences, **_TENSORRT), 1.0))
    yield ours("MinMax, states zero (guarded)", replace(_PLAIN, states=StateSource.ZEROS))
    yield ours("MinMax, states normal", replace(_PLAIN, states=StateSource.NORMAL))
    for calibrator in Calibrator:
        yield ours(f"{calibrator.value}, own rollout", replace(_PLAIN, calibrator=calibrator))
    yield ours("MinMax, Conv alone", replace(_PLAIN, keep_float=gemms))
    yield ours("MinMax, Gemm alone", replace(_PLAIN, keep_float=convolutions))
    yield ours("calibrator tensor by tensor", _BEST)
    yield ours("+ equalised", replace(_BEST, equalize=True))
    yield ours("+ bias corrected", replace(_BEST, equalize=True, correct_bias=True))
    yield ours("+ precision search", replace(_BEST, equalize=True, correct_bias=True, goal=Goal()))
    yield ours("+ trained in closed loop", replace(_BEST, equalize=True, correct_bias=True, goal=Goal()), trained=True)


def verified(bundle: Bundle, graph: GraphSpec, data: bytes, sequences: SequenceSet) -> VerificationRecord:
    """The gate's record of a file that takes the place of a quantized graph, without touching the bundle."""
    spec = replace(
        graph,
        name=quantized_name(graph, Target.TENSORRT),
        file="graphs/ablation.onnx",
        precision=Precision.INT8,
        target=Target.TENSORRT,
        derived_from=graph.name,
    )
    manifest = replace(bundle.manifest, graphs=(*(g for g in bundle.manifest.graphs if g.name != spec.name), spec))
    trial = Bundle(bundle.path, manifest, {**bundle.contents, spec.file: data})
    return verify_graph(trial, spec, sequences, VerifyOptions(horizon=HORIZON, workers=WORKERS))


class _Frames(CalibrationDataReader):  # type: ignore[misc]
    """What a folder of images gives a quantizer: one frame at a time, and a fresh state with each."""

    def __init__(self, bundle: Bundle, graph: GraphSpec, sequences: SequenceSet) -> None:
        self._feeds = self._read(bundle, graph, sequences)

    def get_next(self) -> Mapping[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)

    @staticmethod
    def _read(bundle: Bundle, graph: GraphSpec, sequences: SequenceSet) -> Iterator[Mapping[str, NDArray[np.float32]]]:
        (observed,) = observed_inputs(graph)
        for batch in sequences.batches(bundle.manifest.preprocessing):
            for frame in batch.frames:
                yield {observed: frame[None], **initial_states(graph, 1)}


def _onnxruntime(bundle: Bundle, graph: GraphSpec, sequences: SequenceSet, **options: Any) -> bytes:
    """ONNX Runtime's static quantization, frame by frame: every frame has a fresh state."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(bundle.graph_bytes(graph))
        quantize_static(source, target, _Frames(bundle, graph, sequences), **options)
        return target.read_bytes()


def _line(row: Row, share: float, size: int, record: VerificationRecord) -> str:
    state, decisions = record.state, record.decisions
    steps = [record.checked_steps.index(step) for step in (1, 64, HORIZON)]
    cosines = "  ".join(f"{state.cosine_mean[i]:.4f}/{state.cosine_p01[i]:.4f}" for i in steps)
    loss = decisions.auc_loss
    return (
        f"{row.name:32}  {cosines}  {min(state.cosine_mean):.4f}/{min(state.cosine_p01):.4f}  {record.growth:5.2f}  "
        f"{loss.value:+.4f} [{loss.low:+.4f}, {loss.high:+.4f}]  {decisions.same_commit:.3f}  {share:.3f}  "
        f"{size / 1000:.1f}"
    )


def print_ablation(bundle_path: Path, data: Path, train: Path, test: Path, say: Callable[[str], None]) -> None:
    """Make, verify and say every row."""
    bundle = Bundle.open(bundle_path)
    graph = bundle.graph()
    calibrate, verify = (
        choose_sequences(
            open_clips(str(data), people=people),
            sequences=count,
            steps=STEPS,
            warm_up=warm_up,
            seed=0,
            box=FixedBox(),
        )
        for people, count, warm_up in ((train, SEQUENCES, 3), (test, TESTED, 4))
    )
    say(f"{len(calibrate.clips)} sequences calibrate, {len(verify.clips)} other people verify, horizon {HORIZON}")
    say(
        f"{'graph':32}  {'t=1 mean/p01':13}  {'t=64':13}  {f't={HORIZON}':13}  {'worst t':13}  growth  AUC loss"
        f"{'':19}commit  int8   kB"
    )
    for row in rows(bundle, graph, calibrate):
        data_bytes, share = row.make()
        say(_line(row, share, len(data_bytes), verified(bundle, graph, data_bytes, verify)))


if __name__ == "__main__":
    bundle_argument, data_argument, train_argument, test_argument = map(Path, sys.argv[1:5])
    print_ablation(
        bundle_argument,
        data_argument,
        train_argument,
        test_argument,
        lambda line: print(line, flush=True),  # noqa: T201
    )
