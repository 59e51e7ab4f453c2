"""Sets of sequences: the schedule, the halves, the batches, what is refused and what is written down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.jsonio import dumps
from crystaledge.locate import FixedBox
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge.sources.frame import Frame
from crystaledge_calibration.clips import MOST_FRAMES, Clip, PhotoClip, SourceFile, open_clips
from crystaledge_calibration.records import SequenceSource
from crystaledge_calibration.sequence_set import Half, SequenceSet, choose_sequences, show_order
from tests.calibration.closed_loop_builders import NoiseClip, noise_sequences
from tests.e2e.conftest import write_people
from tests.support.messages import message_of

Array = NDArray[np.float32]
SPEC = Preprocessing(size_hw=(8, 8))
SIZES = st.tuples(st.integers(1, 20), st.integers(1, 90))


def chosen(clips: list[Clip], *, sequences: int = 99, steps: int = 5, warm_up: int = 2, seed: int = 0) -> SequenceSet:
    return choose_sequences(
        clips, sequences=sequences, steps=steps, warm_up=warm_up, seed=seed, box=FixedBox((0.0, 0.0, 1.0, 1.0))
    )


def shown(sequences: SequenceSet, *, size: int = 64) -> Array:
    """All observations `(T, S, 3, h, w)`."""
    batches = sequences.batches(SPEC, size=size)
    return np.concatenate([np.stack([rows.copy() for rows in batch.steps()]) for batch in batches], axis=1)


@given(SIZES, st.integers(0, 99))
def test_photographs_come_in_shuffled_passes_of_all(sizes: tuple[int, int], seed: int) -> None:
    distinct, steps = sizes
    order = show_order(distinct, steps, np.random.default_rng(seed), in_time=False)
    assert order.shape == (steps,)
    for start in range(0, steps - distinct + 1, distinct):
        assert sorted(order[start : start + distinct].tolist()) == list(range(distinct))
    counts = np.bincount(order, minlength=distinct)
    assert counts.max() - counts.min() <= 1


def test_passes_over_photographs_differ() -> None:
    order = show_order(16, 48, np.random.default_rng(0), in_time=False)
    assert len({tuple(order[start : start + 16]) for start in (0, 16, 32)}) == 3


@given(SIZES)
def test_frames_of_a_film_run_forth_and_back_without_a_jump(sizes: tuple[int, int]) -> None:
    distinct, steps = sizes
    order = show_order(distinct, steps, np.random.default_rng(0), in_time=True)
    assert order.shape == (steps,) and order[0] == 0
    assert np.abs(np.diff(order)).max(initial=0) <= 1
    if distinct > 1:
        assert (np.diff(order) != 0).all()
    for start in range(0, steps - 2 * distinct + 1):
        assert set(order[start : start + 2 * distinct].tolist()) == set(range(distinct))


@pytest.mark.parametrize("in_time", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_batches_of_any_size_show_the_same(size: int, in_time: bool) -> None:
    sequences = noise_sequences(5, steps=11, in_time=in_time)
    np.testing.assert_array_equal(shown(sequences, size=size), shown(sequences))


def test_every_sequence_shows_its_own_clip_in_the_order_of_its_schedule() -> None:
    sequences = noise_sequences(3, steps=10, length=4)
    found, preprocessor = shown(sequences), Preprocessor(SPEC)
    for row, clip in enumerate(sequences.clips):
        frames = clip.frames()
        for step, place in enumerate([0, 1, 2, 3, 2, 1, 0, 1, 2, 3]):
            expected = preprocessor(frames[place].pixels, frames[place].color)
            np.testing.assert_array_equal(found[step, row], expected)


def test_the_face_box_is_what_is_looked_at() -> None:
    whole = noise_sequences(2, steps=1)
    boxed = replace(whole, box=FixedBox((0.0, 0.0, 0.5, 0.5)))
    preprocessor = Preprocessor(SPEC)
    frame = whole.clips[1].frames()[0]
    np.testing.assert_array_equal(shown(boxed)[0, 1], preprocessor(frame.pixels[:4, :4], frame.color))


@dataclass(frozen=True)
class CountedClip:
    """Notes when it is decoded."""

    inner: NoiseClip
    seen: list[int]

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def in_time(self) -> bool:
        return True

    @property
    def length(self) -> int:
        return self.inner.length

    def files(self) -> tuple[SourceFile, ...]:
        return self.inner.files()

    def frames(self) -> tuple[Frame, ...]:
        self.seen.append(self.inner.number)
        return self.inner.frames()


def test_a_batch_is_decoded_when_it_is_asked_for_and_not_before() -> None:
    seen: list[int] = []
    clips = tuple(CountedClip(NoiseClip(number), seen) for number in range(6))
    batches = replace(noise_sequences(6, steps=3), clips=clips).batches(SPEC, size=2)
    assert seen == []
    next(batches)
    assert seen == [0, 1]
    next(batches)
    assert seen == [0, 1, 2, 3]


@pytest.mark.parametrize("in_time", [True, False])
@pytest.mark.parametrize("length", [2, 5, 8])
def test_the_halves_share_no_frame_and_leave_none_out(in_time: bool, length: int) -> None:
    sequences = noise_sequences(1, steps=32, in_time=in_time, length=length)
    frames = [{rows.tobytes() for rows in shown(replace(sequences, half=half))[:, 0]} for half in Half]
    both, enrol, probe = frames
    assert enrol and probe and not enrol & probe
    assert enrol | probe == both


def test_the_first_half_of_a_film_is_enrolled() -> None:
    sequences = noise_sequences(1, steps=4)
    whole = shown(replace(sequences, steps=8))
    np.testing.assert_array_equal(shown(replace(sequences, half=Half.ENROL)), whole[:4])
    np.testing.assert_array_equal(shown(replace(sequences, half=Half.PROBE)), whole[4:8])


@given(st.integers(2, 30), st.integers(2, 5))
def test_a_split_gives_every_sequence_to_one_side(count: int, every: int) -> None:
    whole = noise_sequences(count, steps=2)
    others, chosen_by = whole.split(every=every)
    assert others.clips and chosen_by.clips
    assert sorted([c.name for c in (*others.clips, *chosen_by.clips)]) == sorted(c.name for c in whole.clips)


def test_clips_shorter_than_the_warm_up_are_left_out_and_counted() -> None:
    found = chosen([NoiseClip(0, 2), NoiseClip(1, 3), NoiseClip(2, 4), NoiseClip(3, 5)], warm_up=4)
    assert [clip.length for clip in found.clips] == [4, 5]
    assert found.too_short == found.record().too_short == 2


def test_fewer_than_two_long_enough_clips_are_refused() -> None:
    with pytest.raises(DataError) as raised:
        chosen([NoiseClip(0, 2), NoiseClip(1, 3), NoiseClip(2, 4)], warm_up=4)
    assert "1 of 3 sequences have the 4 distinct frames" in message_of(raised)


def test_as_many_are_drawn_as_were_asked_for_and_the_seed_says_which() -> None:
    clips: list[Clip] = [NoiseClip(number) for number in range(30)]
    first, again, other = (chosen(clips, sequences=7, seed=seed) for seed in (0, 0, 1))
    assert len(first.clips) == 7
    assert first == again
    assert first.clips != other.clips


def test_an_image_of_one_colour_is_refused_by_its_name(tmp_path: Path) -> None:
    folder = write_people(tmp_path, people=3, images=3)
    grey = folder / "person01" / "1.png"
    cv2.imwrite(str(grey), np.full((48, 48, 3), 127, np.uint8))
    with pytest.raises(DataError) as raised:
        chosen(open_clips(str(folder)))
    assert f"{grey} is of one colour" in message_of(raised)


def test_of_many_photographs_some_are_drawn_and_only_those_are_recorded(tmp_path: Path) -> None:
    folder = write_people(tmp_path, people=2, images=MOST_FRAMES + 4, side_px=12)
    clips = open_clips(str(folder))
    found = chosen(clips)
    assert [clip.length for clip in found.clips] == [MOST_FRAMES, MOST_FRAMES]
    assert len(found.files) == 2 * MOST_FRAMES
    for clip, whole in zip(found.clips, clips, strict=True):
        assert isinstance(clip, PhotoClip) and isinstance(whole, PhotoClip)
        assert set(clip.paths) < set(whole.paths)


def test_the_record_names_nobody(tmp_path: Path) -> None:
    found = chosen(open_clips(str(write_people(tmp_path, people=3, images=3))))
    text = dumps(found.record())
    assert all(name not in text for name in ("person", str(tmp_path), ".png"))
    assert found.record().source is SequenceSource.IDENTITIES and found.record().sequences == 3
    assert sorted(found.record().files) == sorted(file.sha256 for file in found.files)


def test_the_fingerprint_is_of_contents_and_schedule_and_not_of_the_place(tmp_path: Path) -> None:
    one, two, other = (
        chosen(open_clips(str(write_people(tmp_path / name, people=3, images=3, take=take))))
        for name, take in (("a", 0), ("b", 0), ("c", 1))
    )
    assert one.sha256 == two.sha256 == one.record().sha256
    changed = [replace(one, steps=6), replace(one, seed=1), replace(one, box=FixedBox((0.1, 0.0, 1.0, 1.0))), other]
    assert len({one.sha256, *(sequences.sha256 for sequences in changed)}) == 5
