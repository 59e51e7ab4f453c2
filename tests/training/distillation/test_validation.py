"""Verification of unseen people against a naive recomputation, and what embeddings are made of."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crystaledge.errors import EngineError
from crystaledge.preprocessing.preprocessor import normalisation_table
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.distillation.validation import embed, embedding_of, verify
from tests.training.builders import TINY_SPEC
from tests.training.distillation.builders import TinyEncoder


def encoder(*, with_quality: bool = True) -> TinyEncoder:
    torch.manual_seed(0)
    return TinyEncoder(with_quality=with_quality)


def test_an_output_may_have_a_quality() -> None:
    embedding, quality = torch.zeros(2, 3), torch.ones(2, 1)
    assert embedding_of(embedding) == (embedding, None)
    assert embedding_of((embedding, quality)) == (embedding, quality)


class TestEmbed:
    def test_is_that_of_normalised_faces_in_inference_mode(self, ten_people: FrameStore) -> None:
        network = encoder(with_quality=False)
        found = embed(network, ten_people.pixels[:5], TINY_SPEC)
        assert network.training
        table = normalisation_table(TINY_SPEC)
        faces = torch.from_numpy(
            np.stack([table[channel][ten_people.pixels[:5, ..., channel]] for channel in range(3)], axis=1)
        )
        with torch.no_grad():
            expected = network.eval()(faces)
        torch.testing.assert_close(found, expected / expected.norm(dim=1, keepdim=True))

    def test_does_not_depend_on_the_other_faces(self, ten_people: FrameStore) -> None:
        network = encoder()
        together = embed(network, ten_people.pixels[:8], TINY_SPEC)
        torch.testing.assert_close(embed(network, ten_people.pixels[3:4], TINY_SPEC), together[3:4])


class TestVerify:
    def test_is_the_naive_one(self, ten_people: FrameStore) -> None:
        network = encoder()
        found = verify(network, ten_people, TINY_SPEC, seed=0)
        unit = embed(network, ten_people.pixels, TINY_SPEC).double()
        pairs = list(combinations(range(len(unit)), 2))
        scores = [float(unit[i] @ unit[j]) for i, j in pairs]
        same = [ten_people.person[i] == ten_people.person[j] for i, j in pairs]
        genuine = [s for s, y in zip(scores, same, strict=True) if y]
        impostor = [s for s, y in zip(scores, same, strict=True) if not y]
        accuracies = [
            (np.mean([s >= t for s in genuine]) + np.mean([s < t for s in impostor])) / 2 for t in [*scores, 2.0]
        ]
        wins = np.mean([[(g > i) + 0.5 * (g == i) for i in impostor] for g in genuine])
        assert found.accuracy == pytest.approx(max(accuracies), abs=1e-6)
        assert found.auc == pytest.approx(wins, abs=1e-6)

    def test_a_diverged_encoder_is_refused(self, ten_people: FrameStore) -> None:
        class Diverged(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.number = nn.Parameter(torch.zeros(1))

            def forward(self, face: Tensor) -> Tensor:
                return face.mean(dim=(2, 3)) * torch.nan

        with pytest.raises(EngineError, match="diverged"):
            verify(Diverged(), ten_people, TINY_SPEC, seed=0)
