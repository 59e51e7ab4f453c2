"""Films and the track cell: targets recomputed naively, what is covered is no face, and every output is taught."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from crystaledge_training.phantom import motion_clips
from crystaledge_training.phantom.motion_clips import STEPS, TRACKS, MotionClips
from crystaledge_training.phantom.track_data import Tracks, TrackSequences, _targets, track_sequences
from crystaledge_training.phantom.track_module import roll_out, track_loss
from tests.training.phantom.builders import SIZES, SPEC, draw_backgrounds, draw_crops, plain_files, random_phantom

SIDE = 64


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> MotionClips:
    folder = tmp_path_factory.mktemp("clips")
    backgrounds = plain_files(draw_backgrounds(folder / "backgrounds"))
    return MotionClips(draw_crops(folder / "faces"), backgrounds, size_px=SIDE)


def sequences_of(tracks: int = 5, steps: int = 4, seed: int = 0) -> TrackSequences:
    random = torch.Generator().manual_seed(seed)
    return TrackSequences(
        torch.rand(tracks, steps, SIZES.stage2 * 9, generator=random),
        torch.randn(tracks, steps, 4, 48, 48, generator=random).half(),
        torch.randn(tracks, steps, 4, generator=random) * 0.1,
        torch.randn(tracks, steps, 2, generator=random) * 0.1,
        (torch.rand(tracks, steps, generator=random) < 0.6).float(),
    )


class TestFilms:
    def test_have_these_shapes(self, clips: MotionClips) -> None:
        clip = clips.draw(np.random.default_rng(0))
        assert clip.frames.shape == (STEPS, SIDE, SIDE, 3)
        assert clip.frames.dtype == np.uint8
        assert clip.looked_at_xyxy.shape == (STEPS, TRACKS, 4)
        assert clip.true_xyxy.shape == (STEPS + 1, TRACKS, 4)
        assert clip.is_face.shape == (STEPS, TRACKS)

    def test_are_a_function_of_the_random_numbers_alone(self, clips: MotionClips) -> None:
        first, second, other = (clips.draw(np.random.default_rng(seed)) for seed in (4, 4, 5))
        for a, b in ((first, second),):
            np.testing.assert_array_equal(a.frames, b.frames)
            np.testing.assert_array_equal(a.true_xyxy, b.true_xyxy)
            np.testing.assert_array_equal(a.looked_at_xyxy, b.looked_at_xyxy)
            np.testing.assert_array_equal(a.is_face, b.is_face)
        assert (first.frames != other.frames).any()

    def test_things_are_no_faces_and_some_faces_are(self, clips: MotionClips) -> None:
        seen = np.stack([clips.draw(np.random.default_rng(seed)).is_face for seed in range(8)])
        assert not seen[:, :, -1].any()
        assert seen[:, :, :-1].any()

    def test_what_lies_outside_or_behind_another_is_not_to_be_seen(self) -> None:
        inside, half_out = [10.0, 10, 20, 20], [-6.0, 10, 4, 20]
        behind, before = [30.0, 30, 40, 40], [33.0, 33, 50, 50]
        visible = motion_clips._visible(np.array([[inside, half_out, behind, before]], np.float32), SIDE)
        assert visible.tolist() == [[True, False, False, True]]

    def test_a_bar_hides_the_face_that_it_covers(self) -> None:
        frames = [np.zeros((SIDE, SIDE, 3), np.uint8) for _ in range(STEPS + 1)]
        true = np.tile(np.array([24.0, 24.0, 40.0, 40.0], np.float32), (STEPS + 1, TRACKS, 1))
        hidden = motion_clips._cover(frames, true, np.random.default_rng(1))
        assert hidden.any() and not hidden.all()
        for step in range(STEPS):
            covered = (frames[step][30, 24:40] != 0).any(axis=-1).mean()
            assert hidden[step] == (covered > 0.5) or abs(covered - 0.5) < 0.08  # a pixel is whole, a bar is not

    def test_a_covered_face_is_no_face(self, clips: MotionClips, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(motion_clips, "_COVERED", 1.0)
        monkeypatch.setattr(motion_clips, "_cover", lambda frames, true, random: np.arange(STEPS) >= 3)
        for seed in range(4):
            assert not clips.draw(np.random.default_rng(seed)).is_face[3:, 0].any()

    def test_looks_are_near_the_truth(self, clips: MotionClips) -> None:
        shifts = []
        for seed in range(6):
            clip = clips.draw(np.random.default_rng(seed))
            size = clip.true_xyxy[:-1, :, 2:] - clip.true_xyxy[:-1, :, :2]
            shifts.append((clip.looked_at_xyxy[..., :2] - clip.true_xyxy[:-1, :, :2]) / size)
        assert np.abs(np.mean(shifts)) < 0.05
        assert 0.04 < np.std(shifts) < 0.2


class TestTargets:
    def test_are_these(self, clips: MotionClips) -> None:
        clip = clips.draw(np.random.default_rng(2))
        delta, velocity, face = _targets(clip)
        for step, track in np.ndindex(STEPS, TRACKS):
            lx1, ly1, lx2, ly2 = clip.looked_at_xyxy[step, track].tolist()
            tx1, ty1, tx2, ty2 = clip.true_xyxy[step, track].tolist()
            nx1, ny1, nx2, ny2 = clip.true_xyxy[step + 1, track].tolist()
            width, height = lx2 - lx1, ly2 - ly1
            wanted = [
                ((tx1 + tx2) / 2 - (lx1 + lx2) / 2) / width,
                ((ty1 + ty2) / 2 - (ly1 + ly2) / 2) / height,
                math.log((tx2 - tx1) / width),
                math.log((ty2 - ty1) / height),
            ]
            assert delta[step, track].tolist() == pytest.approx(wanted, abs=1e-4)
            moved = [((nx1 + nx2) - (tx1 + tx2)) / 2 / (tx2 - tx1), ((ny1 + ny2) - (ty1 + ty2)) / 2 / (ty2 - ty1)]
            assert velocity[step, track].tolist() == pytest.approx(moved, abs=1e-4)
            assert face[step, track] == float(clip.is_face[step, track])

    def test_sequences_are_track_by_track_and_the_same_for_a_seed(self, clips: MotionClips) -> None:
        detector = random_phantom().detector
        made = [track_sequences(detector, clips, SPEC, count=2, octaves=2, seed=seed) for seed in (1, 1, 2)]
        first = made[0]
        assert first.roi.shape == (2 * TRACKS, STEPS, SIZES.stage2 * 9)
        assert first.patch.shape == (2 * TRACKS, STEPS, 4, 48, 48)
        assert first.patch.dtype == torch.float16
        assert (first.box_delta.shape, first.velocity.shape) == ((6, STEPS, 4), (6, STEPS, 2))
        assert not first.is_face[TRACKS - 1 :: TRACKS].any()  # the thing that is no face is the last of each film
        assert not first.patch[:, 0, 3].any()  # nothing has moved before the first frame
        assert all(torch.equal(a, b) for a, b in zip(first, made[1], strict=True))
        assert not torch.equal(first.roi, made[2].roi)


class TestBatches:
    def test_hold_every_track_at_most_once_in_an_order_of_the_epoch(self) -> None:
        sequences = sequences_of(7)
        orders = []
        for epoch in (0, 0, 1):
            tracks = Tracks(sequences, batch=3, seed=1, epoch=epoch)
            batches = [tracks[index] for index in range(len(tracks))]
            assert [len(b.roi) for b in batches] == [3, 3]
            orders.append([row.tolist() for b in batches for row in b.velocity[:, 0]])
        assert orders[0] == orders[1] != orders[2]
        assert len({tuple(row) for row in orders[0]}) == 6

    def test_are_one_where_there_are_few(self) -> None:
        tracks = Tracks(sequences_of(2), batch=3, seed=1, epoch=0)
        assert len(tracks) == 1
        assert len(tracks[0].roi) == 2


class TestCell:
    def test_a_roll_out_is_step_by_step(self) -> None:
        cell, sequences = random_phantom().track, sequences_of()
        whole = roll_out(cell, sequences)
        hidden = torch.zeros(5, SIZES.track_hidden)
        for step in range(4):
            looked = cell(sequences.roi[:, step], sequences.patch[:, step].float(), hidden)
            hidden = looked.hidden
            for name in looked._fields:
                assert torch.equal(getattr(whole, name)[:, step], getattr(looked, name)), name

    def test_every_parameter_is_taught(self) -> None:
        # In the original the loss reached none of them: 56,600 parameters kept their random values.
        cell, sequences = random_phantom().track, sequences_of()
        track_loss(roll_out(cell, sequences), sequences).total.backward()  # type: ignore[no-untyped-call]
        for name, parameter in cell.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name

    @pytest.mark.parametrize("head", ["score", "birth", "box_delta", "velocity"])
    def test_every_output_is_held_to_the_truth(self, head: str) -> None:
        cell, sequences = random_phantom().track, sequences_of()
        loss = track_loss(roll_out(cell, sequences), sequences)
        layer = getattr(cell, head)
        (gradient,) = torch.autograd.grad(getattr(loss, head), layer.weight)
        assert gradient.abs().max() > 0

    def test_box_and_movement_count_where_a_face_is(self) -> None:
        cell, sequences = random_phantom().track, sequences_of()
        looked = roll_out(cell, sequences)
        spoilt = sequences._replace(
            box_delta=torch.where(sequences.is_face[..., None] > 0, sequences.box_delta, 1e3),
            velocity=torch.where(sequences.is_face[..., None] > 0, sequences.velocity, 1e3),
        )
        assert torch.equal(track_loss(looked, sequences).total, track_loss(looked, spoilt).total)

    def test_the_loss_is_this(self) -> None:
        cell, sequences = random_phantom().track, sequences_of(2, 2)
        looked = roll_out(cell, sequences)
        score = delta = faces = 0.0
        for track, step in np.ndindex(2, 2):
            face, said = sequences.is_face[track, step].item(), looked.score[track, step, 0].item()
            score -= (math.log(said) if face else math.log(1.0 - said)) / 4
            errors = (looked.box_delta[track, step] - sequences.box_delta[track, step]).abs().tolist()
            delta += face * sum(e * e / 0.2 if e < 0.1 else e - 0.05 for e in errors) / 4
            faces += face
        loss = track_loss(looked, sequences)
        assert loss.score.item() == pytest.approx(score, rel=1e-4)
        assert loss.box_delta.item() == pytest.approx(delta / faces, rel=1e-4)
        parts = loss.score + loss.birth + 10.0 * loss.box_delta + 10.0 * loss.velocity
        assert loss.total.item() == pytest.approx(parts.item())

    def test_is_finite_without_a_face_and_with_a_certain_mistake(self) -> None:
        cell, sequences = random_phantom().track, sequences_of()
        torch.nn.init.constant_(cell.score.bias, 1e4)
        none = sequences._replace(is_face=torch.zeros_like(sequences.is_face))
        assert track_loss(roll_out(cell, none), none).total.isfinite()
