"""An evaluation of anomalies as Markdown tables."""

from __future__ import annotations

import math

from crystaledge.metrics.bootstrap import Estimate
from crystaledge_training.anomaly.evaluate import AnomalyEvaluation
from crystaledge_training.evaluation.anomaly_pixels import FALSE_POSITIVE_LIMIT


def markdown(evaluation: AnomalyEvaluation, *, title: str) -> str:
    """The whole report; what stands in brackets is a 95 % interval."""
    images = evaluation.images
    height, width = evaluation.size_hw
    lines = [
        f"# {title}",
        "",
        f"{images.normal} normal and {images.anomalous} anomalous images at the network's {width} x {height} px. "
        f"Interval of the image AUROC: {evaluation.resamples} resamples of images (seed {evaluation.seed}).",
        "",
        "| metric | value |",
        "|---|---|",
        f"| image AUROC | {_estimate(images.auroc)} |",
        *_pixels(evaluation),
        f"| images per second, torch on this machine | {evaluation.images_per_second:.1f} |",
        "",
        *_threshold(evaluation),
        "",
        *_by_defect(evaluation),
        "",
    ]
    return "\n".join(lines)


def _pixels(evaluation: AnomalyEvaluation) -> list[str]:
    pixels = evaluation.pixels
    boxes = f", {evaluation.located_by_boxes} of them by boxes alone" if evaluation.located_by_boxes else ""
    where = f"{pixels.regions} regions in {evaluation.located} located images{boxes}"
    error = max(pixels.auroc_error, pixels.aupro_error)
    binned = "" if math.isnan(error) else f" (both: binned, at most {error:.1e} off)"
    return [
        f"| pixel AUROC ({where}) | {_shown(pixels.auroc)} |",
        f"| AUPRO, false positives up to {FALSE_POSITIVE_LIMIT:g}{binned} | {_shown(pixels.aupro)} |",
    ]


def _threshold(evaluation: AnomalyEvaluation) -> list[str]:
    images, decision = evaluation.images, evaluation.decision
    low, high = decision.false_alarm_interval
    return [
        "## At the threshold",
        "",
        f"Chosen before, for a false-alarm rate of {decision.false_alarm_rate:g}, on {decision.calibrated_on}"
        + (f", {decision.left_out} of them left out as likely defects." if decision.left_out else "."),
        "",
        "| | value |",
        "|---|---|",
        f"| false-alarm rate, promised by {decision.held_out} held-out normal images "
        f"| between {low:.3f} and {high:.3f} |",
        f"| false-alarm rate of the {images.normal} normal images here | {_estimate(images.false_alarm_rate)} |",
        f"| recall | {_shown(images.recall)} |",
        f"| precision | {_shown(images.precision)} |",
        f"| F1 | {_shown(images.f1)} |",
    ]


def _by_defect(evaluation: AnomalyEvaluation) -> list[str]:
    lines = ["## By kind of defect", "", "| defect | images | image AUROC | recall |", "|---|---|---|---|"]
    return lines + [
        f"| {row.defect} | {row.images} | {_shown(row.auroc)} | {_shown(row.recall)} |"
        for row in evaluation.images.by_defect
    ]


def _estimate(estimate: Estimate) -> str:
    return f"{_shown(estimate.value)} [{_shown(estimate.low)}, {_shown(estimate.high)}]"


def _shown(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.3f}"
