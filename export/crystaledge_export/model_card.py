"""The model card that travels with a bundle."""

from __future__ import annotations

from crystaledge.manifest.model import ParitySummary
from crystaledge_calibration.trained import Trained
from crystaledge_training.checkpoint import Checkpoint


def model_card(
    checkpoint: Checkpoint,
    *,
    intended_use: str,
    parity: ParitySummary,
    parameters: int,
    trained: Trained | None = None,
) -> str:
    """Markdown text; everything in it comes from the checkpoint's record or was measured at export.

    Args:
        trained: what quantization-aware training left beside the float weights.
    """
    record, provenance = checkpoint.record, checkpoint.record.provenance
    decision = record.decision
    lines = [
        f"# Model card: {record.system.value}",
        "",
        f"- Parameters: {parameters:,} (encoding {record.network.encoding}, hidden {record.network.hidden}, "
        f"quality gate on the {record.network.gate.value})",
        f"- Trained on: {provenance.data} ({provenance.people_trained} people; {provenance.people_validated} more for "
        "validation and thresholds)",
        f"- Outside data, directly or through a teacher: {provenance.outside_data}",
        f"- Terms of the data: {provenance.licence}",
        f"- Training: {provenance.epochs} epochs, best {provenance.best_epoch + 1}, "
        f"{provenance.training_seconds / 60:.1f} min, seed {provenance.seed}, torch {provenance.torch_version}, "
        f"crystaledge {provenance.package_version}",
        f"- Checkpoint SHA-256: {checkpoint.sha256}",
        f"- Parity with {parity.reference}: largest error {parity.max_abs_error:.1e} over {parity.steps} closed-loop "
        f"steps at batches {', '.join(map(str, parity.batches))} (tolerance {parity.tolerance:g})",
        *_int8_lines(trained),
        "",
        "## Intended use",
        "",
        intended_use,
        "",
        "## Decisions",
        "",
        f"Calibrated on {decision.calibrated_on if decision else 'nothing'}.",
    ]
    if decision is not None:
        lines += ["", "| observations | false-accept rate | threshold | true-accept rate there |", "|---|---|---|---|"]
        lines += [
            f"| {p.observations} | {p.false_accept_rate:g} | {p.threshold:.4f} | {p.true_accept_rate:.3f} |"
            for p in decision.operating_points
        ]
    lines += [
        "",
        "## Limits",
        "",
        "Error rates differ between groups of people and were not measured by group. Identities are embeddings of",
        "faces, and so personal data. Nothing here detects a photograph held up to the camera.",
        "",
    ]
    return "\n".join(lines)


def _int8_lines(trained: Trained | None) -> list[str]:
    if trained is None:
        return []
    return [
        f"- INT8: weights and ranges trained in closed loop to follow these, without labels, on {trained.data}; "
        f"{len(trained.amax)} products in eight bits. `quantize` builds its TensorRT graph from them where that is best"
    ]
