"""What the report says in words: verdicts, and what is missing with the command that makes it."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from crystaledge.engine.select import Backend
from crystaledge.manifest.model import GraphSpec, Precision
from crystaledge_benchmarks.bench_record import Parity, Standing, precision_label
from crystaledge_benchmarks.parity import parity_of
from crystaledge_benchmarks.report.bundle_records import BundleRecords
from crystaledge_calibration.records import SequenceSetRecord

NO_QUANTIZED = "The bundle has no INT8 graph; `crystaledge quantize BUNDLE --target tensorrt` makes one."
NO_CALIBRATION = "There is no calibration record of this graph; `crystaledge quantize` makes it, with the graph."
NO_VERIFICATION = "This graph was never compared with its float32 original; `crystaledge verify BUNDLE` does it."
OTHER_BYTES = "This verification speaks of other bytes than the graph has now; run `crystaledge verify BUNDLE` again."
NO_CLIPPING = "The verification record holds no clipping of state channels: no INT8 product reads the state."
NO_BENCH = "Nothing was measured; `crystaledge bench BUNDLE` measures every graph and chooses one."
OLD_BENCH = (
    "This measurement speaks of other graphs or an older verification than the bundle has now; run "
    "`crystaledge bench BUNDLE` again."
)
NO_CHOICE = "No graph is chosen; `crystaledge bench BUNDLE` chooses the fastest that passes."


def verdict_of(records: BundleRecords, graph: GraphSpec) -> tuple[Standing, str]:
    """Whether a graph is fit to run, and a sentence on it."""
    engine = Backend.ONNXRUNTIME.value
    parity = parity_of(records.bundle, graph, engine=engine)
    if graph.precision is Precision.FLOAT32:
        return parity.standing, _of_float(graph, parity)
    told = [v.sentence for v in records.bundle.manifest.verification if (v.graph, v.engine) == (graph.name, engine)]
    if parity.verified is not None and told:
        return parity.standing, told[0]
    return parity.standing, f"{graph_name(graph)} is not fit to run: {parity.says}."


def graph_name(graph: GraphSpec) -> str:
    """Such as "step (float32)" or "step-int8-tensorrt (INT8 for tensorrt)"."""
    target = "" if graph.target is None else f" for {graph.target.value}"
    return f"{graph.name} ({precision_label(graph.precision)}{target})"


def set_sentence(what: str, used: SequenceSetRecord) -> str:
    """Which sequences were used, by the set's hash: a list of files would say more of people than it should."""
    return (
        f"{what}: {used.sequences} sequences of {used.steps} steps, {used.source.value}, {len(used.files)} files, "
        f"seed {used.seed}, set {used.sha256[:16]}."
    )


def with_code(text: str) -> Markup:
    """Escape a sentence and set what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def _of_float(graph: GraphSpec, parity: Parity) -> str:
    known = parity.framework
    if known is None:
        return f"{graph_name(graph)} is not fit to run: {parity.says}."
    follows = "follows" if parity.standing is Standing.PASSED else "does not follow"
    return (
        f"{graph_name(graph)} {follows} {known.reference}: largest error {known.max_abs_error:.1e} in {known.steps} "
        f"closed-loop steps, tolerance {known.tolerance:g}."
    )
