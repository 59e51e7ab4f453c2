"""Plots of an evaluation of anomalies, as PNG bytes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from crystaledge_training.anomaly.evaluate import AnomalyEvaluation

_BARS = 40


def plots(evaluation: AnomalyEvaluation) -> dict[str, bytes]:
    """PNG files by name; the curve only where there are images of both kinds."""
    found = {"scores.png": score_histogram(evaluation)} if evaluation.scores else {}
    if evaluation.images.normal and evaluation.images.anomalous:
        found["roc.png"] = roc_plot(evaluation)
    return found


def roc_plot(evaluation: AnomalyEvaluation) -> bytes:
    """Recall over false-alarm rate, with where the threshold lies on it."""
    images = evaluation.images
    false_alarms, recall, _ = roc_curve(
        [score.defect is not None for score in evaluation.scores], [score.raw for score in evaluation.scores]
    )
    figure, axes = _figure()
    axes.plot(false_alarms, recall, label=f"AUROC {images.auroc.value:.3f}")
    axes.plot([images.false_alarm_rate.value], [images.recall], "o", label="threshold chosen before")
    axes.set(title="Images", xlabel="false-alarm rate", ylabel="recall")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return png(figure)


def score_histogram(evaluation: AnomalyEvaluation) -> bytes:
    """Raw scores of normal and anomalous images, with the threshold."""
    raw = np.array([score.raw for score in evaluation.scores])
    anomalous = np.array([score.defect is not None for score in evaluation.scores], np.bool_)
    edges = np.linspace(raw.min(), max(raw.max(), evaluation.images.threshold) + 1e-9, _BARS + 1)
    figure, axes = _figure()
    for kind, label in ((~anomalous, "normal"), (anomalous, "anomalous")):
        axes.hist(raw[kind], edges, alpha=0.6, label=f"{label} ({int(kind.sum())})")
    axes.axvline(evaluation.images.threshold, color="black", linestyle="--", label="threshold")
    axes.set(title="Scores", xlabel="raw score", ylabel="images")
    axes.legend()
    return png(figure)


def png(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _figure() -> tuple[Figure, Any]:
    figure = Figure(figsize=(6.4, 4.0), dpi=110, layout="constrained")
    return figure, figure.add_subplot()
