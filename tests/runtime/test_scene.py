"""The embedded scene: the same film every time, the truth about it, and cameras that do what they say."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.errors import UsageError
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.scene.camera import Degradation, take
from crystaledge.scene.person import draw_person
from crystaledge.scene.render import Pose, render_face
from crystaledge.scene.scene import SceneConfig, Shot, SyntheticSource, film

CONFIG = SceneConfig(people=3, frames_per_person=4, side_px=48)
GREY = (118.0, 124.0, 132.0)


def shots(config: SceneConfig, person: int, count: int = 4, *, take_number: int = 0) -> list[Shot]:
    """The first shots of a film."""
    return list(islice(film(config, person, take_number=take_number), count))


def stacked(some: list[Shot]) -> NDArray[np.uint8]:
    """Their pictures in one array."""
    return np.stack([shot.pixels for shot in some])


def face() -> NDArray[np.float32]:
    """One rendered face before any camera."""
    return render_face(draw_person(1), Pose(), side=48, background=GREY)


def test_equal_seeds_give_equal_films() -> None:
    assert (stacked(shots(CONFIG, 1)) == stacked(shots(CONFIG, 1))).all()
    assert [shot.degradation for shot in shots(CONFIG, 1)] == [shot.degradation for shot in shots(CONFIG, 1)]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(shots(CONFIG, 1, take_number=1), id="another-take"),
        pytest.param(shots(CONFIG, 2), id="another-person"),
        pytest.param(shots(SceneConfig(people=3, side_px=48, seed=8), 1), id="another-seed"),
    ],
)
def test_everything_else_gives_another_film(other: list[Shot]) -> None:
    assert (stacked(shots(CONFIG, 1)) != stacked(other)).any()
    assert [shot.pose for shot in shots(CONFIG, 1)] != [shot.pose for shot in other]


def test_another_take_is_of_the_same_person() -> None:
    # Only the movement differs: the mean picture of a take is nearer to that of the same person's other take.
    clean = SceneConfig(people=2, side_px=48, degraded=0.0)
    first, second, other = (
        stacked(shots(clean, person, 40, take_number=number)).mean(axis=0)
        for person, number in ((0, 0), (0, 1), (1, 0))
    )
    assert np.abs(first - second).mean() < np.abs(first - other).mean()


def test_a_shot_carries_the_truth_about_it() -> None:
    for shot in shots(CONFIG, 2):
        assert shot.person == 2
        assert shot.pixels.dtype == np.uint8
        assert shot.pixels.shape == (48, 48, 3)
        assert isinstance(shot.pose, Pose)
        assert isinstance(shot.degradation, Degradation)


def test_a_face_moves_from_shot_to_shot() -> None:
    poses = [shot.pose for shot in shots(CONFIG, 0)]
    assert len({(pose.shift_x, pose.tilt_rad, pose.turn) for pose in poses}) == len(poses)


def test_the_share_of_bad_frames_is_the_one_asked_for() -> None:
    for share in (0.0, 0.35, 1.0):
        some = shots(SceneConfig(side_px=8, degraded=share), 0, 400)
        # A good frame has a little noise and an exposure near 1, and nothing else.
        bad = [
            shot
            for shot in some
            if shot.degradation.blur_px or shot.degradation.occlusion or shot.degradation.severity > 0.2
        ]
        assert len(bad) / len(some) == pytest.approx(share, abs=0.08)


def test_less_exposure_is_darker() -> None:
    random = np.random.default_rng(0)
    levels = [take(face(), Degradation(exposure=exposure), random).mean() for exposure in (1.0, 0.7, 0.4)]
    assert levels == sorted(levels, reverse=True)
    assert levels[2] == pytest.approx(0.4 * levels[0], rel=0.02)


def test_blur_takes_edges_away_and_keeps_the_brightness() -> None:
    random = np.random.default_rng(0)
    sharp, blurred, more = (take(face(), Degradation(blur_px=sigma), random).astype(float) for sigma in (0.0, 1.0, 3.0))
    edges = [np.abs(np.diff(picture, axis=1)).mean() for picture in (sharp, blurred, more)]
    assert edges[0] > 1.1 * edges[1] > 1.1 * 1.1 * edges[2]
    assert blurred.mean() == pytest.approx(sharp.mean(), rel=0.02)


def test_noise_has_the_standard_deviation_it_says() -> None:
    grey = np.full((64, 64, 3), 128.0, np.float32)
    noisy = take(grey, Degradation(noise=10.0), np.random.default_rng(0))
    assert noisy.astype(float).std() == pytest.approx(10.0, rel=0.05)


def test_occlusion_covers_its_share_from_below() -> None:
    random = np.random.default_rng(0)
    clean = take(face(), Degradation(), random)
    covered = take(face(), Degradation(occlusion=0.25), random)
    assert (covered[:36] == clean[:36]).all()
    assert (covered[36:] == covered[36, 0]).all()


def test_a_perfect_camera_only_rounds() -> None:
    picture = face()
    photograph = take(picture, Degradation(), np.random.default_rng(0))
    assert (photograph == np.clip(np.rint(picture), 0, 255)).all()


def test_severity_is_zero_for_a_perfect_frame_and_grows_with_every_fault() -> None:
    assert Degradation().severity == 0.0
    faults = ({"exposure": 0.5}, {"exposure": 1.5}, {"blur_px": 2.0}, {"noise": 20.0}, {"occlusion": 0.3})
    assert all(Degradation(**fault).severity > 0.2 for fault in faults)


def test_the_camera_leaves_the_rendered_picture_alone() -> None:
    picture = face()
    kept = picture.copy()
    take(picture, Degradation(exposure=0.5, blur_px=2.0, noise=9.0, occlusion=0.4), np.random.default_rng(0))
    assert (picture == kept).all()


@pytest.mark.parametrize("field", ["people", "frames_per_person", "side_px"])
def test_a_scene_of_nothing_is_refused(field: str) -> None:
    with pytest.raises(UsageError, match="of at least 1"):
        SceneConfig(**{field: 0})


def test_the_source_shows_one_person_after_another() -> None:
    frames = list(SyntheticSource(CONFIG))
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.sequence for frame in frames] == [f"person{person:02d}" for person in (0, 1, 2) for _ in range(4)]
    assert {frame.color for frame in frames} == {ColorOrder.RGB}
    for person in range(3):
        shown = np.stack([frame.pixels for frame in frames[person * 4 : person * 4 + 4]])
        assert (shown == stacked(shots(CONFIG, person))).all()


def test_the_source_can_be_read_twice() -> None:
    source = SyntheticSource(CONFIG, take_number=1)
    first, second = list(source), list(source)
    assert all((a.pixels == b.pixels).all() for a, b in zip(first, second, strict=True))
    assert (first[0].pixels != next(iter(SyntheticSource(CONFIG))).pixels).any()
