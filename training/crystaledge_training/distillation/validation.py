"""How well an encoder tells unseen people apart, one image each side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from crystaledge.errors import EngineError
from crystaledge.metrics.verification import auc, roc_curve
from crystaledge.preprocessing.preprocessor import normalisation_table
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.evaluation.templates import all_pairs, draw_templates, thin_impostors

_FACES_PER_CALL = 512


@dataclass(frozen=True, slots=True)
class Verification:
    """Of all pairs of some images of each person."""

    accuracy: float
    """Highest mean of the accuracies on same and on different people, over all thresholds."""
    auc: float


def embedding_of(output: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Embedding `(B, D)` and quality logit `(B, 1)` of an encoder's output, which may have no quality."""
    return (output, None) if isinstance(output, Tensor) else output


@torch.no_grad()
def embed(encoder: nn.Module, pixels: NDArray[np.uint8], spec: Preprocessing) -> Tensor:
    """Embeddings of length 1 of resized uint8 faces `(N, h, w, 3)`, float32 `(N, D)` on the CPU; mode restored."""
    device = next(encoder.parameters()).device
    table = torch.from_numpy(normalisation_table(spec))
    was_training = encoder.training
    encoder.eval()
    parts = []
    for chunk in torch.split(torch.from_numpy(pixels), _FACES_PER_CALL):
        faces = torch.stack([table[channel][chunk[..., channel].long()] for channel in range(3)], dim=1)
        embedding, _ = embedding_of(encoder(faces.to(device)))
        parts.append(functional.normalize(embedding.float(), dim=1).cpu())
    encoder.train(was_training)
    return torch.cat(parts)


def verify(encoder: nn.Module, store: FrameStore, spec: Preprocessing, *, seed: int) -> Verification:
    """Verification by cosine; `seed` chooses among the images of people who have very many.

    Raises:
        EngineError: an embedding is not finite.
    """
    templates = draw_templates(store, 1, seed=seed)
    pairs = thin_impostors(all_pairs(templates), seed=seed)
    identity = embed(encoder, store.pixels[templates.rows[:, 0]], spec).double().numpy()
    if not np.isfinite(identity).all():
        msg = "An embedding is not finite: the training has diverged; begin again with a lower learning rate."
        raise EngineError(msg)
    cosine = (identity[pairs.first] * identity[pairs.second]).sum(axis=1)
    roc = roc_curve(cosine, pairs.same)
    best = (roc.true_accept_rate + 1.0 - roc.false_accept_rate).max() / 2.0
    return Verification(accuracy=float(best), auc=auc(roc))
