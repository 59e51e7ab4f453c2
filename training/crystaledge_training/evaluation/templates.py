"""Templates of N observations: which frames of which person make one, and which pairs are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge_training.data.frames import FrameStore

MOST_TEMPLATES_PER_PERSON = 10
"""So that a person with hundreds of images does not decide every metric."""
MOST_IMPOSTOR_PAIRS = 200_000


@dataclass(frozen=True, slots=True)
class TemplateSet:
    """Disjoint templates of N frames each."""

    rows: NDArray[np.int64]
    """`(M, N)` row numbers into the frame store, in the order of observation."""
    person: NDArray[np.int64]
    """`(M,)`."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """All unordered pairs of templates."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: NDArray[np.bool_]


def draw_templates(store: FrameStore, observations: int, *, seed: int) -> TemplateSet:
    """Cut each person's shuffled frames into disjoint templates of `observations` frames.

    People with fewer frames are left out; at most `MOST_TEMPLATES_PER_PERSON` templates a person.
    """
    generator = np.random.default_rng((seed, observations))
    rows: list[NDArray[np.int64]] = []
    owners: list[int] = []
    for person in range(len(store.names)):
        shuffled = generator.permutation(store.rows_of(person))
        count = min(len(shuffled) // observations, MOST_TEMPLATES_PER_PERSON)
        rows.append(shuffled[: count * observations].reshape(count, observations))
        owners.extend([person] * count)
    return TemplateSet(np.concatenate(rows), np.array(owners, np.int64))


def cut_mixed_templates(store: FrameStore, sizes: tuple[int, ...], *, seed: int) -> tuple[TemplateSet, ...]:
    """Templates of several sizes, one set a size; no frame is in two of them.

    Each person's shuffled frames are cut from one end to the other, the sizes taking turns from a
    random first one; the rest goes into the largest sizes that still fit.
    """
    generator = np.random.default_rng((seed, *sizes))
    found: dict[int, list[tuple[int, NDArray[np.int64]]]] = {size: [] for size in sizes}
    for person in range(len(store.names)):
        left = generator.permutation(store.rows_of(person))
        turn = int(generator.integers(len(sizes)))
        while fitting := [size for size in sizes if size <= len(left)]:
            size = sizes[turn % len(sizes)] if sizes[turn % len(sizes)] in fitting else max(fitting)
            found[size].append((person, left[:size]))
            left, turn = left[size:], turn + 1
    return tuple(
        TemplateSet(
            np.array([rows for _, rows in found[size]], np.int64).reshape(-1, size),
            np.array([person for person, _ in found[size]], np.int64),
        )
        for size in sizes
    )


def all_pairs(templates: TemplateSet) -> Pairs:
    """Every template against every other one."""
    first, second = np.triu_indices(len(templates.person), k=1)
    return Pairs(first, second, templates.person[first] == templates.person[second])


def thin_impostors(pairs: Pairs, *, seed: int) -> Pairs:
    """All genuine pairs, and at most `MOST_IMPOSTOR_PAIRS` of the others, drawn without replacement."""
    impostors = np.flatnonzero(~pairs.same)
    if len(impostors) > MOST_IMPOSTOR_PAIRS:
        impostors = np.random.default_rng(seed).choice(impostors, MOST_IMPOSTOR_PAIRS, replace=False)
    kept = np.sort(np.concatenate([np.flatnonzero(pairs.same), impostors]))
    return Pairs(pairs.first[kept], pairs.second[kept], pairs.same[kept])
