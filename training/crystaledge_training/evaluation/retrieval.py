"""Recall@1, R-Precision and MAP@R per person, by pytorch-metric-learning's calculator."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

METRICS = {"recall@1": "precision_at_1", "r_precision": "r_precision", "map@r": "mean_average_precision_at_r"}


def retrieval_per_person(
    embeddings: NDArray[np.float64], person: NDArray[np.int64]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    """Metrics of each person with two or more templates, every template being searched among all others.

    Args:
        embeddings: `(M, D)`, compared by cosine.
        person: `(M,)`.

    Returns:
        For each metric `(K,)`, averaged over a person's templates, and the K persons in rising order.
    """
    labels, counts = np.unique(person, return_counts=True)
    present = labels[counts >= 2]
    if not len(present):
        return {name: np.empty(0) for name in METRICS}, present
    calculator = AccuracyCalculator(
        include=tuple(METRICS.values()),
        k="max_bin_count",
        return_per_class=True,
        knn_func=CustomKNN(CosineSimilarity(), batch_size=512),
        device=torch.device("cpu"),
    )
    query = torch.from_numpy(embeddings).float()
    found = calculator.get_accuracy(query, torch.from_numpy(person), query, torch.from_numpy(person), True)
    return {name: np.asarray(found[key], np.float64) for name, key in METRICS.items()}, present
