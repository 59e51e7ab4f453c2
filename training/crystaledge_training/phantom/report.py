"""An evaluation of the detector as Markdown tables."""

from __future__ import annotations

import math

from crystaledge_training.phantom.evaluate import PhantomEvaluation


def markdown(evaluation: PhantomEvaluation, *, title: str) -> str:
    """The whole report; the interval is 95 %, from a bootstrap over images."""
    metrics = evaluation.metrics
    height, width = evaluation.size_hw
    low, high = metrics.ap50_interval
    lines = [
        f"# {title}",
        "",
        f"{metrics.images} images, {metrics.faces} faces of at least {evaluation.smallest_face_px:g} px at the "
        f"network's {width} x {height} px, {evaluation.octaves} octaves. Interval: 95 %, {evaluation.resamples} "
        f"resamples of images (seed {evaluation.seed}).",
        "",
        "| metric | value |",
        "|---|---|",
        f"| AP50 | {_shown(metrics.ap50)} [{_shown(low)}, {_shown(high)}] |",
        f"| AP50:95 | {_shown(metrics.ap)} |",
        f"| recall at a precision of 0.9 | {_shown(metrics.recall_at_precision_90)} |",
        f"| images per second, torch on this machine | {evaluation.images_per_second:.1f} |",
        "",
        *_by_size(evaluation),
        "",
        *_point(evaluation),
        "",
    ]
    return "\n".join(lines)


def _by_size(evaluation: PhantomEvaluation) -> list[str]:
    lines = ["## By size of the face", "", "| size | AP50 |", "|---|---|"]
    return lines + [f"| {label} | {_shown(value)} |" for label, value in evaluation.metrics.ap50_by_size]


def _point(evaluation: PhantomEvaluation) -> list[str]:
    lines = ["## Operating point", "", "The score was chosen before, on the images of the first row.", ""]
    lines += ["| images | score | precision | recall |", "|---|---|---|---|"]
    rows = (("calibration", evaluation.calibrated), ("these", evaluation.realised))
    return lines + [f"| {name} | {p.score:.3f} | {p.precision:.3f} | {p.recall:.3f} |" for name, p in rows]


def _shown(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.3f}"
