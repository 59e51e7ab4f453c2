"""Films of photographs: as a camera gives them, of listed people alone, and stills that are spread over a clip."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from crystaledge.errors import DataError
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.sources.frame import Frame
from crystaledge.sources.images import read_image
from crystaledge_benchmarks.liveness import films
from crystaledge_benchmarks.liveness.films import (
    FRAMES,
    LFW_SIDE_PX,
    attack_film,
    film_photographs,
    lfw_photographs,
)
from crystaledge_benchmarks.liveness.presentation import FPS, Photograph
from crystaledge_benchmarks.liveness.sheet_motion import AttackKind
from tests.benchmarks.liveness.builders import Pixels, drawn_face, frames_saying, look_at, photograph_of
from tests.benchmarks.liveness.conftest import TESTED, TRAINED

SMALL = photograph_of(drawn_face(side=48))


def test_a_film_is_what_a_camera_gives() -> None:
    film = list(attack_film(SMALL, AttackKind.HAND, seed=(1,)))
    assert [frame.index for frame in film] == list(range(FRAMES))
    assert [frame.time_s for frame in film] == pytest.approx([index / FPS for index in range(FRAMES)])
    assert {(frame.color, frame.sequence, frame.pixels.shape) for frame in film} == {
        (ColorOrder.BGR, "attack", (48, 48, 3))
    }


def test_each_film_has_dice_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def dice(photograph: Photograph, kind: AttackKind, frames: int, generator: np.random.Generator) -> list[Pixels]:
        return [generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)]

    monkeypatch.setattr(films, "present", dice)
    seeds = [(kind, seed) for kind in AttackKind for seed in ((1, 2), (1, 3), (2, 2))]
    first, again = ([next(attack_film(SMALL, k, seed=s)).pixels.tobytes() for k, s in seeds] for _ in range(2))
    assert first == again
    assert len(set(first)) == len(seeds)


def test_photographs_are_of_the_listed_people_alone(lfw: Path) -> None:
    assert sorted(p.person for p in lfw_photographs(lfw, "peopleDevTrain.txt", 99, seed=0)) == list(TRAINED)
    assert sorted(p.person for p in lfw_photographs(lfw, "peopleDevTest.txt", 99, seed=0)) == list(TESTED)


def test_a_seed_draws_the_people(lfw: Path) -> None:
    draws = {seed: _people(lfw, 2, seed=seed) for seed in range(8)}
    assert all(len(set(people)) == 2 for people in draws.values())
    assert draws == {seed: _people(lfw, 2, seed=seed) for seed in range(8)}
    assert len({tuple(people) for people in draws.values()}) > 2
    assert _people(lfw, 0, seed=0) == []


def test_it_is_a_persons_first_picture_enlarged(lfw: Path) -> None:
    (one,) = (p for p in lfw_photographs(lfw, "peopleDevTrain.txt", 99, seed=0) if p.person == "Train_1")
    assert one.picture.shape == (LFW_SIDE_PX, LFW_SIDE_PX, 3)
    first, second = (_enlarged(lfw / f"images/Train_1/Train_1_{number:04d}.png") for number in (1, 2))
    assert np.array_equal(one.picture, first)
    assert not np.array_equal(one.picture, second)
    assert one.centre_xy == pytest.approx((0.5 * 320, 0.5545 * 320))
    assert one.side_px == pytest.approx(320 * np.sqrt(0.672 * 0.797))


def test_a_list_that_is_not_there_is_told(lfw: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"peopleNone\.txt"):
        list(lfw_photographs(lfw, "peopleNone.txt", 1, seed=0))
    with pytest.raises(DataError, match="does not exist"):
        list(lfw_photographs(tmp_path / "none", "peopleDevTest.txt", 1, seed=0))


@pytest.mark.parametrize(("looks", "count"), [(9, 1), (9, 2), (30, 5), (4, 6)])
def test_stills_are_spread_evenly(looks: int, count: int) -> None:
    frames = frames_saying(range(2 * looks), fps=20.0)
    stills = _stills(frames, looks, count)
    # Count + 1 equal gaps; two frames a look.
    expected = [2 * round((looks - 1) * (place + 1) / (count + 1)) for place in range(count)]
    assert [int(still.picture[0, 0, 0]) for still in stills] == expected


def test_a_still_knows_where_its_face_is() -> None:
    frames = frames_saying(range(5))
    looks = [look_at(frame.pixels, frame.time_s or 0.0, box_xyxy=(10.0, 20.0, 40.0, 32.0)) for frame in frames]
    (still,) = film_photographs("anna", frames, looks, 1)
    assert (still.person, still.centre_xy) == ("anna", (25.0, 26.0))
    assert still.side_px == pytest.approx(np.sqrt(360.0))
    assert list(film_photographs("anna", frames, looks, 0)) == []


def test_a_film_of_nobody_has_no_stills() -> None:
    assert _stills(frames_saying(range(5)), 0, 3) == []


def _enlarged(path: Path) -> Pixels:
    large = cv2.resize(read_image(path), (LFW_SIDE_PX, LFW_SIDE_PX), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large, np.uint8)


def _people(lfw: Path, count: int, *, seed: int) -> list[str]:
    return [photograph.person for photograph in lfw_photographs(lfw, "peopleDevTrain.txt", count, seed=seed)]


def _stills(frames: list[Frame], looks: int, count: int) -> list[Photograph]:
    seen = [look_at(frame.pixels, frame.time_s or 0.0) for frame in frames[: 2 * looks : 2]]
    return list(film_photographs("anna", frames, seen, count))
