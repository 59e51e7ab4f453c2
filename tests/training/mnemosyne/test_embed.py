"""Encoding many frames and crystallizing templates of them, against one face at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crystaledge.identity.matching import match_scores, unit_rows
from crystaledge.identity.spec import COSINE, MatchScore, Scoring, unit_vector_scoring
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.mnemosyne import embed
from crystaledge_training.mnemosyne.embed import crystallize, encode_frames
from crystaledge_training.mnemosyne.scoring import identities_at
from tests.training.builders import TINY_SPEC, tiny_network


def test_frames_are_encoded_as_the_runtime_would_prepare_them(ten_people: FrameStore) -> None:
    network = tiny_network()
    encoded = encode_frames(network, ten_people.pixels[:6], TINY_SPEC)
    preprocessor = Preprocessor(Preprocessing(size_hw=TINY_SPEC.size_hw))
    for row in range(6):
        face = torch.from_numpy(preprocessor(ten_people.pixels[row], ColorOrder.RGB))
        with torch.no_grad():
            encoding, quality = network.encode(face[None])
        torch.testing.assert_close(encoded.encoding[row : row + 1], encoding, atol=1e-6, rtol=0.0)
        torch.testing.assert_close(encoded.quality[row : row + 1], quality, atol=1e-6, rtol=0.0)
    assert encoded.quality.shape == (6, 1)
    assert not encoded.encoding.requires_grad


def test_chunks_leave_no_seam(ten_people: FrameStore, monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny_network()
    whole = encode_frames(network, ten_people.pixels, TINY_SPEC)
    monkeypatch.setattr(embed, "_FRAMES_PER_CALL", 7)
    parts = encode_frames(network, ten_people.pixels, TINY_SPEC)
    torch.testing.assert_close(parts.encoding, whole.encoding, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(parts.quality, whole.quality, atol=1e-6, rtol=0.0)


@pytest.mark.parametrize("training", [True, False])
def test_encoding_changes_neither_the_mode_nor_the_statistics(ten_people: FrameStore, training: bool) -> None:
    network = tiny_network().train(training)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    encoded = encode_frames(network, ten_people.pixels[:6], TINY_SPEC)
    assert network.training is training
    assert network.encoder.training is training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(encoded.encoding, encode_frames(tiny_network(), ten_people.pixels[:6], TINY_SPEC).encoding)


def test_templates_are_crystallized_in_the_order_of_their_rows(ten_people: FrameStore) -> None:
    network = tiny_network()
    encoded = encode_frames(network, ten_people.pixels, TINY_SPEC)
    rows = np.array([[3, 0, 5], [12, 13, 6]])
    trajectory = crystallize(network, encoded, rows)
    assert trajectory.hidden.shape == (3, 2, 8)
    assert not trajectory.hidden.requires_grad
    for template in range(2):
        hidden = network.initial_state(1)
        for t, row in enumerate(rows[template]):
            with torch.no_grad():
                step = network.absorb(encoded.encoding[row : row + 1], encoded.quality[row : row + 1], hidden)
            hidden = step.hidden
            torch.testing.assert_close(trajectory.hidden[t, template], hidden[0], atol=1e-6, rtol=0.0)
            torch.testing.assert_close(trajectory.velocity[t, template], step.velocity[0, 0], atol=1e-6, rtol=0.0)


def test_identities_are_scored_by_the_runtime(ten_people: FrameStore) -> None:
    network = tiny_network()
    encoded = encode_frames(network, ten_people.pixels, TINY_SPEC)
    trajectory = crystallize(network, encoded, np.array([[3, 0, 5], [12, 13, 6], [20, 21, 22]]))
    for step in (0, 1, -1):
        identities = identities_at(trajectory, step)
        unit, log_variance = unit_rows(trajectory.hidden[step].numpy()), trajectory.log_variance[step].double().numpy()
        np.testing.assert_allclose(np.linalg.norm(identities.unit, axis=1), 1.0)
        fitted = Scoring(kind=MatchScore.LIKELIHOOD_RATIO, between_variance=0.03, effective_dimensions=3.5)
        for scoring in (COSINE, unit_vector_scoring(8), fitted):
            expected = match_scores(scoring, unit, log_variance, unit, log_variance)
            np.testing.assert_array_equal(identities.scores(scoring, identities), expected)
    first, last = identities_at(trajectory, 0), identities_at(trajectory, -1)
    assert first.scores(COSINE, last).shape == (3, 3)
    assert not np.allclose(first.unit, last.unit, atol=1e-3)
