"""The model card that travels with a bundle."""

from __future__ import annotations

from collections.abc import Sequence

from crystaledge.manifest.model import ParitySummary
from crystaledge_calibration.trained import Trained
from crystaledge_export.description import SystemExport
from crystaledge_training.checkpoint import Checkpoint, TrainingProvenance


def model_card(
    checkpoint: Checkpoint,
    system: SystemExport,
    *,
    parities: Sequence[ParitySummary],
    trained: Trained | None = None,
    results: str | None = None,
) -> str:
    """Markdown text; everything in it comes from the checkpoint's record, or was measured of it.

    Args:
        parities: of each graph.
        trained: what quantization-aware training left beside the float weights.
        results: what was measured of these very weights, as Markdown below a heading; None: nothing is on record.
    """
    record, provenance = checkpoint.record, checkpoint.record.provenance
    parameters, sizes = system.network(checkpoint)
    lines = [
        f"# Model card: {record.system.value}",
        "",
        f"- Parameters: {parameters:,} ({sizes})",
        f"- Trained on: {provenance.data} ({_counts(provenance)})",
        f"- Outside data, directly or through a teacher: {provenance.outside_data}",
        f"- Terms of the data: {provenance.licence}",
        f"- Training: {provenance.epochs} epochs, best {provenance.best_epoch + 1}, "
        f"{provenance.training_seconds / 60:.1f} min, seed {provenance.seed}, torch {provenance.torch_version}, "
        f"crystaledge {provenance.package_version}",
        f"- Checkpoint SHA-256: {checkpoint.sha256}",
        *map(_parity_line, parities),
        *_int8_lines(trained),
        "",
        "## Intended use",
        "",
        system.intended_use,
        "",
        "## Decisions",
        "",
        *system.decisions(checkpoint),
        "",
        *(() if results is None else ("## Measured", "", results, "")),
        "## Limits",
        "",
        system.limits,
        "",
    ]
    return "\n".join(lines)


def _counts(provenance: TrainingProvenance) -> str:
    if provenance.images_trained:
        return f"{provenance.images_trained} images; {provenance.images_validated} more for validation and thresholds"
    return f"{provenance.people_trained} people; {provenance.people_validated} more for validation and thresholds"


def _parity_line(parity: ParitySummary) -> str:
    return (
        f"- Parity of {parity.graph!r} with {parity.reference}: largest error {parity.max_abs_error:.1e} over "
        f"{parity.steps} closed-loop steps at batches {', '.join(map(str, parity.batches))} (tolerance "
        f"{parity.tolerance:g})"
    )


def _int8_lines(trained: Trained | None) -> list[str]:
    if trained is None:
        return []
    return [
        f"- INT8: weights and ranges trained in closed loop to follow these, without labels, on {trained.data}; "
        f"{len(trained.amax)} products in eight bits. `quantize` builds its TensorRT graph from them where that is best"
    ]
