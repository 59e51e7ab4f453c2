"""What the wide variant's state is taught with, and that it learns from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from crystaledge.errors import DataError
from crystaledge_training.mnemosyne.config import DEFAULT_PREPROCESSING, WIDE
from crystaledge_training.mnemosyne.embed import encode_frames
from crystaledge_training.mnemosyne.fit_wide import FitConfig, contrast, fit_evidence, fit_metric
from crystaledge_training.mnemosyne.rollout import absorb_all
from crystaledge_training.mnemosyne.wide import WideMnemosyne
from crystaledge_training.mnemosyne.wide_encoder import FEATURES
from crystaledge_training.mnemosyne.wide_sequences import SequenceConfig, SequenceSource
from crystaledge_training.mnemosyne.wide_views import ViewCounts, Views, view_features
from tests.training.builders import scene_store

PEOPLE, IMAGES = 40, 6
WHOLE = replace(DEFAULT_PREPROCESSING, size_hw=(80, 80), center_share=1.0)
"""What inference takes the middle of."""
FIT = FitConfig(metric_steps=120, metric_people=32, evidence_steps=200, evidence_people=32)
SHORT = FitConfig(metric_steps=5, metric_people=8, evidence_steps=5, evidence_people=8)


def drawn_views(*, noisy: int = 20) -> Views:
    """Features with a person in the first numbers, nuisance in the last, and bad views that are nuisance and say so."""
    generator = torch.Generator().manual_seed(0)
    who = torch.randn(PEOPLE, FEATURES, generator=generator)
    who[:, -noisy - 1 :] = 0.0
    person = np.repeat(np.arange(PEOPLE), IMAGES)
    views = who[person].repeat(5, 1, 1)
    views[:, :, -noisy - 1 : -1] = 2.0 * torch.randn(5, len(person), noisy, generator=generator)
    views[3:, :, :-1] = 1.5 * torch.randn(2, len(person), FEATURES - 1, generator=generator)
    views[3:, :, -1] = 2.0
    return Views(views, 3, person)


def network() -> WideMnemosyne:
    torch.manual_seed(1)
    return WideMnemosyne(WIDE).eval()


@torch.no_grad()
def separation(network: WideMnemosyne, views: Views) -> float:
    """Mean cosine of two plain views of two images of a person, less that of different people."""
    first, second = (normalize(network.encoder.embedding(views.features[0, k::IMAGES]), dim=1) for k in (0, 1))
    cosine = first @ second.T
    own = torch.eye(PEOPLE, dtype=torch.bool)
    return float(cosine[own].mean() - cosine[~own].mean())


def test_the_metric_turns_away_from_what_does_not_tell_people_apart() -> None:
    views, made = drawn_views(), network()
    before = separation(made, views)
    fit_metric(made, views, FIT)
    assert separation(made, views) > before + 0.2


def test_the_evidence_learns_to_doubt_bad_views() -> None:
    views, made = drawn_views(noisy=2), network()
    fit_evidence(made, views, FIT)
    good, bad = (made.quality_of(views.features[view]).mean() for view in (0, 4))
    assert good > 2.0 * bad


def test_fits_touch_only_what_they_say_and_repeat_themselves() -> None:
    views = drawn_views()
    made, again = network(), network()
    before = {name: weight.clone() for name, weight in made.state_dict().items()}
    fit_metric(made, views, SHORT)
    changed = {name for name, weight in made.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed == {"encoder.embedding.weight"}
    fit_metric(again, views, SHORT)
    assert torch.equal(made.encoder.embedding.weight, again.encoder.embedding.weight)
    fit_evidence(made, views, SHORT)
    changed = {
        name.split(".")[0] for name, weight in made.state_dict().items() if not torch.equal(weight, before[name])
    }
    assert changed == {"encoder", "quality", "evidence"}
    assert torch.equal(made.encoder.embedding.weight, again.encoder.embedding.weight)


@given(
    counts=st.lists(st.integers(1, 7), min_size=2, max_size=12).filter(lambda c: sum(n > 1 for n in c) > 1),
    people=st.integers(2, 8),
    seed=st.integers(0, 10),
)
@settings(max_examples=40, deadline=None)
def test_sequences_keep_people_and_halves_apart(counts: list[int], people: int, seed: int) -> None:
    person = np.repeat(np.arange(len(counts)), counts)
    views = Views(torch.zeros(5, len(person), 1), 3, person)
    source = SequenceSource(views, SequenceConfig(strangers=0.0), seed=seed)
    drawn = source.draw(people)
    half = len(drawn.row) // 2
    assert half <= people
    owners = person[drawn.row.numpy()]
    assert (owners == owners[:, :1]).all(), "one person a sequence"
    assert (owners[:half, 0] == owners[half:, 0]).all()
    assert len(set(owners[:half, 0])) == half, "a person once a batch"
    for b in range(half):
        assert not set(drawn.row[b].tolist()) & set(drawn.row[half + b].tolist()), "no image on both sides"
    assert drawn.valid[:, 0].all()
    assert (drawn.valid[:, 1:] <= drawn.valid[:, :-1]).all()
    assert int(drawn.view.max()) < 5


def test_strangers_come_only_as_bad_views() -> None:
    views = drawn_views()
    source = SequenceSource(views, SequenceConfig(lengths=(12,), worst_share=1.0, strangers=0.5), seed=0)
    drawn = [source.draw(16) for _ in range(20)]
    view = torch.cat([d.view for d in drawn]).numpy()
    owners = views.person[torch.cat([d.row for d in drawn]).numpy()]
    usual = np.array([np.bincount(line).argmax() for line in np.where(view < 3, owners, PEOPLE)[:, :]])
    known = usual < PEOPLE
    strange = (owners != usual[:, None])[known]
    assert strange.mean() > 0.05
    assert (view[known][strange] >= 3).all()


def test_too_few_people_are_refused() -> None:
    views = Views(torch.zeros(2, 3, 1), 1, np.array([0, 0, 1]))
    with pytest.raises(DataError, match="at least 2"):
        SequenceSource(views, SequenceConfig(), seed=0)


def test_contrast_is_the_mean_of_both_softmaxes() -> None:
    rows, scale = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), torch.tensor(1.3)
    unit = rows.double() / rows.double().norm(dim=1, keepdim=True)
    logits = np.exp(1.3) * (unit[:3] @ unit[3:].T).numpy()
    own = np.diag(logits)
    expected = 0.5 * np.mean(np.log(np.exp(logits).sum(0)) - own) + 0.5 * np.mean(np.log(np.exp(logits).sum(1)) - own)
    assert float(contrast(rows, scale)) == pytest.approx(float(expected), rel=1e-5)


def test_views_begin_with_what_inference_sees() -> None:
    made, store = network(), scene_store([3, 2, 4], WHOLE)
    views = view_features(made, store, DEFAULT_PREPROCESSING, ViewCounts(plain=2, light=1, severe=1), seed=3)
    assert views.features.shape == (4, 9, FEATURES)
    seen = encode_frames(made, store.pixels[:, 8:72, 8:72], DEFAULT_PREPROCESSING).encoding
    torch.testing.assert_close(made.encoder.embedding(views.features[0]), seen, atol=2e-4, rtol=1e-3)
    again = view_features(made, store, DEFAULT_PREPROCESSING, ViewCounts(plain=2, light=1, severe=1), seed=3)
    assert torch.equal(views.features, again.features)
    assert len({views.features[v, 0].sum().item() for v in range(4)}) == 4


def test_ended_sequences_keep_their_state() -> None:
    made = network()
    encoding, quality = torch.randn(4, 2, 64), torch.full((4, 2, 1), 0.5)
    valid = torch.tensor([[True, True], [True, True], [True, False], [True, False]])
    trajectory = absorb_all(made, encoding, quality, valid)
    assert torch.equal(trajectory.hidden[1, 1], trajectory.hidden[3, 1])
    assert not torch.equal(trajectory.hidden[1, 0], trajectory.hidden[3, 0])
