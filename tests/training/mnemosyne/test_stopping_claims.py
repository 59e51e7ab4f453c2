"""Who claims to be whom, and that a score after t looks is that of t looks."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.identity.spec import unit_vector_scoring
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.mnemosyne import stopping_claims
from crystaledge_training.mnemosyne.embed import Encoded, crystallize
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.rollout import Trajectory
from crystaledge_training.mnemosyne.stopping_claims import ENROLMENT, LONGEST, Claim, draw_claims
from tests.training.builders import TINY_SIZES, naive_match_score, numbered_store, tiny_network
from tests.training.mnemosyne.encodings import random_encodings

SCORING = unit_vector_scoring(TINY_SIZES.hidden)


def drawn(store: FrameStore, *, seed: int = 0) -> list[Claim]:
    network = tiny_network()
    encoded = random_encodings(store, network, one_a_person=False)
    return list(draw_claims(network, encoded, store, SCORING, seed=(seed,)))


def test_everybody_with_ten_images_claims_to_be_everybody_with_ten() -> None:
    claims = drawn(numbered_store([10, 9, 12, 1, 10]))
    assert Counter((c.probe, c.target) for c in claims) == Counter((p, t) for p in (0, 2, 4) for t in (0, 2, 4))


def test_a_crowd_is_thinned_to_so_many_different_impostors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping_claims, "MOST_IMPOSTORS", 3)
    claims = drawn(numbered_store([10] * 7))
    for probe in range(7):
        targets = [c.target for c in claims if c.probe == probe]
        assert len(targets) == len(set(targets)) == 4
        assert probe in targets


@pytest.mark.parametrize("counts", [[10, 9, 9], [9, 9], [30]])
def test_there_are_none_where_not_two_people_have_ten(counts: list[int]) -> None:
    assert drawn(numbered_store(counts)) == []


def test_scores_are_those_of_so_many_looks_at_frames_that_did_not_enrol(monkeypatch: pytest.MonkeyPatch) -> None:
    store, network = numbered_store([11, 10, 14]), tiny_network()
    encoded = random_encodings(store, network, one_a_person=False)
    asked: list[NDArray[np.int64]] = []

    def watched(network: Mnemosyne, encoded: Encoded, rows: NDArray[np.int64]) -> Trajectory:
        asked.append(rows)
        return crystallize(network, encoded, rows)

    monkeypatch.setattr(stopping_claims, "crystallize", watched)
    claims = list(draw_claims(network, encoded, store, SCORING, seed=(0,)))
    enrolled, probes = asked
    for person in range(3):
        used = [*enrolled[person].tolist(), *probes[person].tolist()]
        assert len(set(used)) == ENROLMENT + LONGEST
        assert set(used) <= set(store.rows_of(person).tolist())
    learnt, seen = crystallize(network, encoded, enrolled), crystallize(network, encoded, probes)
    for claim in claims:
        assert claim.velocity == pytest.approx(seen.velocity[:, claim.probe].double().numpy())
        for look, score in enumerate(claim.scores):
            expected = naive_match_score(
                seen.hidden[look, claim.probe].double().numpy(),
                seen.log_variance[look, claim.probe].item(),
                learnt.hidden[-1, claim.target].double().numpy(),
                learnt.log_variance[-1, claim.target].item(),
            )
            assert score == pytest.approx(expected)


def test_other_seeds_draw_other_frames() -> None:
    store = numbered_store([10] * 3)
    first, again, other = ([c.scores.tolist() for c in drawn(store, seed=seed)] for seed in (0, 0, 1))
    assert first == again
    assert first != other
