"""Enrolled people, in memory only."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.errors import UsageError
from crystaledge.identity.gallery import Enrolled, Gallery
from crystaledge.identity.matching import likelihood_ratio_scores, unit_rows
from crystaledge.identity.spec import COSINE, MatchScore, Scoring
from tests.support.messages import message_of

STATES = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
LOG_VARIANCE = np.array([-4.0, -3.0, -2.0])
NAMES = ("ada", "bob", "cleo")
LIKELIHOOD = Scoring(kind=MatchScore.LIKELIHOOD_RATIO, between_variance=0.05, effective_dimensions=3.0)


@pytest.fixture
def gallery() -> Gallery:
    """Three people."""
    gallery = Gallery(LIKELIHOOD, 4)
    for place, name in enumerate(NAMES):
        gallery.enroll(name, STATES[place], float(LOG_VARIANCE[place]), observations=place + 1)
    return gallery


def expected_scores(probes: NDArray[np.float32], people: list[int]) -> NDArray[np.float64]:
    """Scores of probes against some of the three."""
    certain = np.full(len(probes), -5.0)
    return likelihood_ratio_scores(
        LIKELIHOOD, unit_rows(probes), certain, unit_rows(STATES[people]), LOG_VARIANCE[people]
    )


def found_scores(gallery: Gallery, probes: NDArray[np.float32]) -> NDArray[np.float64]:
    return gallery.scores(probes, np.full(len(probes), -5.0, np.float32))


def test_people_are_kept_in_the_order_of_enrolment(gallery: Gallery) -> None:
    assert gallery.people == (Enrolled("ada", 1), Enrolled("bob", 2), Enrolled("cleo", 3))
    assert len(gallery) == 3


def test_scores_are_those_of_each_probe_with_each_person(gallery: Gallery) -> None:
    probes = np.random.default_rng(1).normal(size=(2, 4)).astype(np.float32)
    np.testing.assert_allclose(found_scores(gallery, probes), expected_scores(probes, [0, 1, 2]))


def test_the_length_of_a_state_does_not_matter(gallery: Gallery) -> None:
    np.testing.assert_allclose(found_scores(gallery, STATES), found_scores(gallery, STATES * 100), rtol=1e-4)


def test_under_equal_certainty_everybody_finds_themselves() -> None:
    for scoring in (LIKELIHOOD, COSINE):
        gallery = Gallery(scoring, 4)
        for name, state in zip(NAMES, STATES, strict=True):
            gallery.enroll(name, state, -4.0, observations=1)
        assert found_scores(gallery, STATES).argmax(axis=1).tolist() == [0, 1, 2]


def test_a_later_change_of_the_enrolled_array_changes_nothing() -> None:
    gallery, state = Gallery(COSINE, 4), STATES[0].copy()
    gallery.enroll("ada", state, -4.0, observations=1)
    before = found_scores(gallery, STATES)
    state[...] = 0.0
    assert (found_scores(gallery, STATES) == before).all()


def test_a_removed_person_is_gone_and_may_come_back(gallery: Gallery) -> None:
    gallery.remove("bob")
    assert [person.name for person in gallery.people] == ["ada", "cleo"]
    np.testing.assert_allclose(found_scores(gallery, STATES), expected_scores(STATES, [0, 2]))
    gallery.enroll("bob", STATES[1], float(LOG_VARIANCE[1]), observations=2)
    np.testing.assert_allclose(found_scores(gallery, STATES), expected_scores(STATES, [0, 2, 1]))


def test_an_empty_gallery_gives_no_scores() -> None:
    assert found_scores(Gallery(COSINE, 4), STATES).shape == (3, 0)


def test_a_name_is_enrolled_once(gallery: Gallery) -> None:
    before = found_scores(gallery, STATES)
    with pytest.raises(UsageError) as raised:
        gallery.enroll("ada", STATES[1], -1.0, observations=9)
    assert message_of(raised) == "'ada' is enrolled already; remove that enrolment first."
    assert (found_scores(gallery, STATES) == before).all()


def test_who_is_not_enrolled_cannot_be_removed(gallery: Gallery) -> None:
    with pytest.raises(UsageError, match="'dora' is not enrolled"):
        gallery.remove("dora")
    assert len(gallery) == 3
