"""One image against one: threshold by trying all, accuracy by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.identities import read_catalogue
from crystaledge.sources.images import read_image
from crystaledge_training.data.lfw_pairs import ImagePair
from crystaledge_training.mnemosyne.embed import crystallize, encode_frames
from crystaledge_training.mnemosyne.evaluate_pairs import best_threshold, measure_pairs, pair_cosines
from tests.training.builders import TINY_SPEC, draw_people, tiny_network


def pairs_of(root: Path) -> list[ImagePair]:
    people = read_catalogue(root).identities
    same = [ImagePair(p.paths[0], p.paths[1], (p.name, p.name)) for p in people]
    others = zip(people, people[1:] + people[:1], strict=True)
    return same + [ImagePair(p.paths[0], q.paths[1], (p.name, q.name)) for p, q in others]


@given(
    st.lists(st.tuples(st.integers(-5, 5).map(float), st.booleans()), min_size=1, max_size=20),
)
def test_no_threshold_is_right_more_often(scored: list[tuple[float, bool]]) -> None:
    scores, same = np.array([s for s, _ in scored]), np.array([t for _, t in scored])
    distinct = np.unique(scores)
    if len(distinct) != len(scores):  # between equal scores no threshold can stand
        scores = scores + np.arange(len(scores)) * 1e-3
    chosen = ((scores >= best_threshold(scores, same)) == same).mean()
    candidates = [*(scores - 1e-6), *(scores + 1e-6)]
    assert chosen == max(((scores >= t) == same).mean() for t in candidates)


def test_cosines_are_those_of_single_observations(tmp_path: Path) -> None:
    pairs, network, preprocessor = pairs_of(draw_people(tmp_path, [2] * 4)), tiny_network(), Preprocessor(TINY_SPEC)
    found = pair_cosines(network, pairs, TINY_SPEC)
    for pair, cosine in zip(pairs, found, strict=True):
        units = []
        for path in (pair.first, pair.second):
            frame = preprocessor.resize(read_image(path), ColorOrder.BGR)[None].copy()
            state = crystallize(network, encode_frames(network, frame, TINY_SPEC), np.zeros((1, 1), np.int64)).hidden
            units.append((state[-1, 0] / state[-1, 0].norm()).numpy())
        assert cosine == pytest.approx(float(units[0] @ units[1]), abs=1e-5)


def test_the_threshold_comes_from_the_training_pairs_alone(tmp_path: Path) -> None:
    training = pairs_of(draw_people(tmp_path / "a", [2] * 6))
    test = pairs_of(draw_people(tmp_path / "b", [2] * 4))
    network = tiny_network()
    result = measure_pairs(network, training, test, TINY_SPEC, resamples=50, seed=0)
    scores, same = pair_cosines(network, training, TINY_SPEC), np.array([p.same for p in training])
    assert result.threshold == best_threshold(scores, same)
    hits = (pair_cosines(network, test, TINY_SPEC) >= result.threshold) == np.array([p.same for p in test])
    assert result.pairs == len(test) == 8
    assert result.accuracy.value == pytest.approx(hits.mean())
    assert 0.0 <= result.accuracy.low <= result.accuracy.value <= result.accuracy.high <= 1.0
