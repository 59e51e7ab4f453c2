"""Whom everything is measured on, cut to the crops that all networks see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge.sources.identities import Catalogue, read_catalogue, read_lfw_people
from crystaledge.sources.images import read_image
from crystaledge_benchmarks.identity.networks import Crops
from crystaledge_training.data.frames import FrameStore, load_frames, require_pairs
from crystaledge_training.data.lfw_pairs import ImagePair, read_lfw_pairs


@dataclass(frozen=True, slots=True)
class PairRows:
    """Pairs of crops."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: NDArray[np.bool_]
    person: NDArray[np.int64]
    """`(P,)`: number of each pair's first person, from 0 and without a gap."""


@dataclass(frozen=True, slots=True)
class View1:
    """LFW's official pairs for development."""

    crops: Crops
    training: PairRows
    """Choose the threshold."""
    test: PairRows


@dataclass(frozen=True, slots=True)
class Faces:
    """All that is measured on."""

    people: FrameStore
    """LFW's test people of View 1."""
    view1: View1
    orl: FrameStore | None
    """Another domain; None leaves it out."""


def read_faces(lfw: Path, orl: Path | None, spec: Preprocessing) -> Faces:
    """Crops of LFW's folder, with its official lists, and of ORL's.

    Raises:
        DataError: a list or an image is missing or damaged, or a trainee is among the test people.
    """
    catalogue = read_catalogue(lfw)
    names = read_lfw_people(lfw / "peopleDevTest.txt")
    _refuse_trainees(names, read_lfw_people(lfw / "peopleDevTrain.txt"))
    people = load_frames(catalogue.only(names), spec)
    require_pairs(people, "test")
    other = None if orl is None else load_frames(read_catalogue(orl), spec)
    return Faces(people, _view1(lfw, catalogue, spec), other)


def _refuse_trainees(test: frozenset[str], training: frozenset[str]) -> None:
    if test & training:
        msg = f"{len(test & training)} people are in LFW's training and test list; take the official, disjoint lists."
        raise DataError(msg)


def _view1(lfw: Path, catalogue: Catalogue, spec: Preprocessing) -> View1:
    training, test = (read_lfw_pairs(lfw / f"pairsDev{part}.txt", catalogue) for part in ("Train", "Test"))
    paths = sorted({path for pair in (*training, *test) for path in (pair.first, pair.second)})
    row = {path: number for number, path in enumerate(paths)}
    preprocessor = Preprocessor(spec)
    crops = np.stack([preprocessor.resize(read_image(path), ColorOrder.BGR).copy() for path in paths])
    return View1(crops, _rows(training, row), _rows(test, row))


def _rows(pairs: Sequence[ImagePair], row: dict[Path, int]) -> PairRows:
    return PairRows(
        np.array([row[pair.first] for pair in pairs]),
        np.array([row[pair.second] for pair in pairs]),
        np.array([pair.same for pair in pairs]),
        np.unique([pair.people[0] for pair in pairs], return_inverse=True)[1],
    )
