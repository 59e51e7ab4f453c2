"""Draws are the same for every network, and what is fused is what was drawn."""

from __future__ import annotations

import numpy as np
import pytest

from crystaledge.identity.matching import cosine_scores
from crystaledge.metrics.bootstrap import resample_people
from crystaledge_benchmarks.identity.engine_network import EngineNetwork
from crystaledge_benchmarks.identity.error_rate import false_non_match_rate
from crystaledge_benchmarks.identity.fusing import CRYSTALLIZED, MEAN, QUALITY_WEIGHTED, TRIMMED, mean
from crystaledge_benchmarks.identity.people import Faces
from crystaledge_benchmarks.identity.sequences import draw_sequences, measure_sequences, scored
from crystaledge_training.evaluation.degraded_protocol import DegradedProtocol, degraded_rows, spoilt_views
from crystaledge_training.evaluation.templates import draw_templates
from tests.benchmarks.identity.conftest import SMALL, TEST_PEOPLE


@pytest.mark.parametrize("severity", [0, 3])
def test_the_crops_are_those_of_the_fixed_protocol(faces: Faces, severity: int) -> None:
    people = faces.people
    found = draw_sequences(people, severity, SMALL)
    views = spoilt_views(people.pixels, severity, seed=SMALL.seed)
    assert len(found.draws) == SMALL.draws
    for seed, drawn in enumerate(found.draws):
        templates = draw_templates(people, SMALL.observations, seed=seed)
        rows = degraded_rows(templates, people.person, DegradedProtocol(severity=severity), seed=seed)
        np.testing.assert_array_equal(found.crops[drawn.rows], views[rows])
        np.testing.assert_array_equal(drawn.person, templates.person)


def test_draws_differ_and_come_again(faces: Faces) -> None:
    once, again = draw_sequences(faces.people, 5, SMALL), draw_sequences(faces.people, 5, SMALL)
    np.testing.assert_array_equal(once.crops, again.crops)
    assert all((a.rows == b.rows).all() for a, b in zip(once.draws, again.draws, strict=True))
    assert (once.draws[0].rows != once.draws[1].rows).any()


def test_a_state_is_scored_as_its_bundle_says_and_others_by_cosine(network: EngineNetwork, faces: Faces) -> None:
    sequences = draw_sequences(faces.people, 3, SMALL)
    for drawn, scores in scored(network, sequences):
        identities, scoring = network.crystallize(sequences.crops, drawn.rows)
        np.testing.assert_array_equal(scores[CRYSTALLIZED], identities.scores(scoring, identities))
        unit = mean(network.look(sequences.crops), drawn.rows)
        np.testing.assert_array_equal(scores[MEAN], cosine_scores(unit, unit))
        assert set(scores) == {CRYSTALLIZED, MEAN, QUALITY_WEIGHTED, TRIMMED}


def test_rates_are_means_over_the_draws(network: EngineNetwork, faces: Faces) -> None:
    sequences = draw_sequences(faces.people, 3, SMALL)
    found = measure_sequences(network, [sequences], TEST_PEOPLE, SMALL)
    draws = resample_people(TEST_PEOPLE, SMALL.resamples, seed=SMALL.seed)
    rates = [
        false_non_match_rate(scores[MEAN], drawn.person, draws, false_match_rate=SMALL.false_match_rate)
        for drawn, scores in scored(network, sequences)
    ]
    assert found[MEAN][3].value == pytest.approx(np.mean([rate.value for rate in rates]))
    np.testing.assert_allclose(found[MEAN][3].samples, np.mean([rate.samples for rate in rates], axis=0))
