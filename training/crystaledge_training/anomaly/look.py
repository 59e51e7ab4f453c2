"""Images through a network in torch and the runtime's own scoring: what calibration and evaluation look at."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from crystaledge.anomaly.scoring import Scored, Scoring, score
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge.sources.images import read_image


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen in one image, and what it cost."""

    scored: Scored
    seconds: float
    """Network and scoring, the image being in memory."""


def look_at(
    network: nn.Module, paths: Iterable[Path], preprocessing: Preprocessing, scoring: Scoring
) -> Iterator[Look]:
    """Score images one by one, as the runtime does; one of them is in memory at a time.

    Args:
        network: in inference mode; gives `distance` `(1, 1, h, w)` of an image `(1, 3, H, W)`, and after it
            `features` `(1, D, h, w)` where the scoring wants them.

    Raises:
        DataError: an image cannot be read.
    """
    preprocessor = Preprocessor(preprocessing)
    for path in paths:
        image = preprocessor(read_image(path), ColorOrder.BGR)
        started = time.perf_counter()
        scored = score_of(network, image, scoring)
        yield Look(scored, time.perf_counter() - started)


@torch.no_grad()
def score_of(network: nn.Module, image: NDArray[np.float32], scoring: Scoring) -> Scored:
    """Score an image, float32 `(3, H, W)`, as the network gets it."""
    distance, *features = (output[0].cpu().numpy() for output in network(torch.from_numpy(image)[None]))
    return score(distance, features[0] if features else None, scoring)
