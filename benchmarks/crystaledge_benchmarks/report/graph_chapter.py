"""The chapter of a quantized graph: over time or on images, its decisions, and how it was made."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from crystaledge_benchmarks.report import node_figures, outcome_figures, sentences, tables, time_figures
from crystaledge_benchmarks.report.bundle_records import BundleRecords, QuantizedGraph, Verification
from crystaledge_benchmarks.report.layout import Chapter, Draughtsman, Picture, Section
from crystaledge_calibration.image_records import ImageVerificationRecord
from crystaledge_calibration.records import CalibrationRecord, VerificationRecord

_RECIPE = {
    "cosine": "Every step was measured in closed loop; what did not help was left out. Cosines are at the worst step.",
    "agreement": "Every step was measured on images set aside; what did not help was left out. Where both graphs "
    "decide alike about an image, its agreement is 1.",
}
_LOST = {"cosine": "the state's cosine", "agreement": "agreement"}


def graph_chapter(records: BundleRecords, quantized: QuantizedGraph, hand: Draughtsman) -> Chapter:
    """Everything that is recorded of a graph; where a record is missing, the command that makes it."""
    sections = list[Section]()
    if not quantized.verifications:
        sections.append(Section(title="Verification", notes=(sentences.NO_VERIFICATION,)))
    for verification in quantized.verifications:
        sections += _verified(records, verification, hand)
    if quantized.calibration is None:
        sections.append(Section(title="How it was made", notes=(sentences.NO_CALIBRATION,)))
    else:
        sections += _calibration(quantized.calibration, hand)
    return Chapter(sentences.graph_name(quantized.graph), tuple(sections))


def _float_error(records: BundleRecords, record: VerificationRecord) -> float | None:
    """Largest error of the float32 original against its training framework."""
    known = (parity.max_abs_error for parity in records.bundle.manifest.parity if parity.graph == record.reference)
    return max(known, default=None)


def _verified(records: BundleRecords, verification: Verification, hand: Draughtsman) -> Iterator[Section]:
    record = verification.record
    stale = () if verification.current else (sentences.OTHER_BYTES, record.sentence)
    notes = (*stale, sentences.set_sentence(f"Verified in {record.engine} on", record.verified_on))
    if isinstance(record, VerificationRecord):
        yield _over_time(record, notes, _float_error(records, record), hand)
        yield _decisions(record, hand)
    else:
        yield _on_images(record, notes)


def _on_images(record: ImageVerificationRecord[Any, Any], notes: tuple[str, ...]) -> Section:
    told = record.decisions.told()
    others = [name for name in record.family if name != record.graph]
    together = (f"Judged together with {', '.join(others)}, which hold the same network.",) if others else ()
    return Section(
        title="On images",
        notes=(*notes, *together, f"{told[:1].upper()}{told[1:]}."),
        tables=(tables.demand_table(record),),
    )


def _over_time(
    record: VerificationRecord, notes: tuple[str, ...], float_error: float | None, hand: Draughtsman
) -> Section:
    return Section(
        title="Over time",
        notes=(*notes, *_unclipped(record)),
        pictures=(*_time_pictures(record, float_error, hand), *_clipping(record, hand)),
        beside=(tables.over_time_table(record),),
        tables=(tables.finding_table(record),) if record.findings else (),
    )


def _time_pictures(
    record: VerificationRecord, float_error: float | None, hand: Draughtsman
) -> tuple[Picture, Picture, Picture]:
    cosine = hand.draw(
        partial(time_figures.cosine_over_time, record),
        "Direction of the state, INT8 against float32. Higher is better; dashed lines are the gate's limits.",
    )
    state = hand.draw(
        partial(time_figures.state_error_over_time, record),
        f"Error of the state relative to its size; {record.growth:.2f} times as large at the horizon as at step 16.",
    )
    outputs = hand.draw(
        partial(time_figures.error_over_time, record, float_error),
        "INT8 against float32, solid: largest over sequences, dashed: mean. Dotted: float32 against its framework.",
    )
    return cosine, state, outputs


def _clipping(record: VerificationRecord, hand: Draughtsman) -> Iterator[Picture]:
    for clipping in record.clipping:
        if any(clipping.share):
            yield hand.draw(
                partial(node_figures.channel_clipping, clipping),
                "Values of each channel beyond the INT8 range on their way into the recurrent product.",
            )


def _unclipped(record: VerificationRecord) -> Iterator[str]:
    """A word on each state of which INT8 cuts nothing: an empty figure would look like a missing one."""
    if not record.clipping:
        yield sentences.NO_CLIPPING
    for clipping in record.clipping:
        if not any(clipping.share):
            yield f"INT8 cuts off no value of the state {clipping.tensor!r} on its way into the recurrent product."


def _decisions(record: VerificationRecord, hand: Draughtsman) -> Section:
    det = hand.draw(
        partial(outcome_figures.det_curves, record.decisions),
        "False rejects over false accepts on normal-deviate axes; circles mark the equal-error rates.",
    )
    count = record.decisions.sequences
    return Section(
        title="Decisions",
        notes=(f"Both graphs decide on the same {count} sequences; intervals are 95 %, over sequences.",),
        pictures=(det,),
        beside=(tables.decision_table(record),),
    )


def _calibration(record: CalibrationRecord, hand: Draughtsman) -> Iterator[Section]:
    stayed = tables.float_node_table(record)
    yield Section(
        title="Ranges and nodes",
        notes=(
            sentences.set_sentence("Calibrated on", record.calibrated_on),
            f"{record.chosen_on} of them were kept for choosing, not for ranges.",
            f"{len(stayed.rows)} of {len(record.nodes)} weighted nodes stayed in float32.",
        ),
        pictures=_calibration_pictures(record, hand),
        tables=(stayed,) if stayed.rows else (),
    )
    yield Section(
        title="Recipe",
        notes=(_RECIPE[record.measure],),
        tables=(tables.recipe_table(record),),
    )
    yield Section(title="Bytes", tables=(tables.byte_table(record),))


def _calibration_pictures(record: CalibrationRecord, hand: Draughtsman) -> tuple[Picture, Picture]:
    ranges = hand.draw(
        partial(node_figures.ranges, record),
        "Each bar spans what calibration showed; what leaves the shaded band is cut off.",
    )
    nodes = hand.draw(
        partial(node_figures.node_sensitivity, record),
        f"Worst first: loss of {_LOST[record.measure]} with one node alone in INT8. "
        f"{100 * record.macs_int8:.1f} % of the "
        "multiply-accumulates (MACs) run in INT8. No bar: never tried in INT8.",
    )
    return ranges, nodes
