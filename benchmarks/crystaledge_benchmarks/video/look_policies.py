"""The talking heads watched by several policies of looking, each person learnt from the first third of their clip.

Closed: everybody who could be learnt is enrolled, and watched. Left out: each clip is shown where everybody but its own
person is enrolled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from crystaledge.errors import DataError
from crystaledge.sources.frame import Frame
from crystaledge.systems.mnemosyne_crystallizer import EnrolledState
from crystaledge.video.options import LookPolicy, VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from crystaledge_benchmarks.cpu import Spread
from crystaledge_benchmarks.video.counted import CountedPipeline, Spent
from crystaledge_benchmarks.video.dense_look import DenseLook
from crystaledge_benchmarks.video.enrolment import enroll_all, first_third, learn_all
from crystaledge_benchmarks.video.probe import Probe, probe
from crystaledge_benchmarks.video.setup import Setup

_DEFAULT = LookPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When faces are looked at; the detector, the tracker and the stopping rule are the same in all."""

    name: str
    looks: LookPolicy
    steady_every_s: float = 0.0


POLICIES = (
    Policy(name="every frame", looks=LookPolicy(open_every_s=0.0, committed_every_s=0.0)),
    Policy(name=f"every {_DEFAULT.open_every_s:g} s", looks=LookPolicy(committed_every_s=_DEFAULT.open_every_s)),
    Policy(name=f"then every {_DEFAULT.committed_every_s:g} s", looks=_DEFAULT),
    Policy(name="and steady 0.2 s", looks=_DEFAULT, steady_every_s=0.2),
)
"""The first one is what the others are compared with; the third is the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One clip by one policy."""

    probe: Probe
    frames: int
    film_s: float
    spent: Spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """All closed clips by one policy, once; per frame."""

    identity_cpu_ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """One policy."""

    policy: Policy
    closed: tuple[Watch, ...]
    """Of the first round; answers and counts are the same in all."""
    left_out: tuple[Watch, ...]
    rounds: tuple[Round, ...]

    def identity_ratio(self, other: PolicyResult) -> Spread:
        """Another's CPU time of telling people apart over this one's, round by round."""
        return _ratios([one.identity_cpu_ms for one in other.rounds], [one.identity_cpu_ms for one in self.rounds])

    def whole_ratio(self, other: PolicyResult) -> Spread:
        """The same of everything but decoding."""
        return _ratios([one.cpu_ms for one in other.rounds], [one.cpu_ms for one in self.rounds])


def measure(setup: Setup, people: Mapping[str, Sequence[Frame]]) -> tuple[PolicyResult, ...]:
    """Learn everybody once, then watch each clip by one policy after another, so that a slow moment hits all.

    Raises:
        DataError: nobody could be learnt.
    """
    detect = DenseLook(setup.detector)
    with VideoPipeline.of(setup.detector, setup.identity) as learner:
        states, _ = learn_all(learner, detect, people)
    if not states:
        msg = "Nobody could be learnt from the first thirds of these clips; name clips that each show one face."
        raise DataError(msg)
    rest = {person: after_first_third(frames) for person, frames in people.items()}
    known = {person: rest[person] for person in states}
    with ExitStack() as stack:
        pipelines = [_enrolled(setup, policy, states, stack) for policy in POLICIES]
        rounds = [_round(pipelines, known) for _ in range(setup.repeats)]
        left_out = [_left_out(pipeline, states, rest) for pipeline in pipelines]
    return tuple(
        PolicyResult(
            policy=policy,
            closed=rounds[0][place],
            left_out=left_out[place],
            rounds=tuple(_per_frame(one[place]) for one in rounds),
        )
        for place, policy in enumerate(POLICIES)
    )


def after_first_third(frames: Sequence[Frame]) -> Sequence[Frame]:
    """What enrolment has not seen; a clip of one frame is seen twice."""
    return frames[len(first_third(frames)) :] or frames


def film_seconds(frames: Sequence[Frame]) -> float:
    """How long frames are shown, the last one as long as the others."""
    times = [frame.index / VideoOptions().frames_per_s if frame.time_s is None else frame.time_s for frame in frames]
    steps = len(times) - 1
    return (times[-1] - times[0]) * len(times) / steps if steps else 1.0 / VideoOptions().frames_per_s


def _enrolled(setup: Setup, policy: Policy, states: Mapping[str, EnrolledState], stack: ExitStack) -> CountedPipeline:
    options = VideoOptions(looks=policy.looks, steady_every_s=policy.steady_every_s)
    pipeline = CountedPipeline(setup.detector, setup.identity, options)
    stack.callback(pipeline.close)
    enroll_all(pipeline.counted.gallery, states)
    return pipeline


def _round(pipelines: Sequence[CountedPipeline], rest: Mapping[str, Sequence[Frame]]) -> list[tuple[Watch, ...]]:
    by_clip = [[_watch(pipeline, person, frames) for pipeline in pipelines] for person, frames in rest.items()]
    return list(zip(*by_clip, strict=True))


def _left_out(
    pipeline: CountedPipeline, states: Mapping[str, EnrolledState], rest: Mapping[str, Sequence[Frame]]
) -> tuple[Watch, ...]:
    gallery, watched = pipeline.counted.gallery, []
    for person, frames in rest.items():
        if person in states:
            gallery.remove(person)
        watched.append(_watch(pipeline, person, frames))
        if person in states:
            enroll_all(gallery, {person: states[person]})
    return tuple(watched)


def _watch(pipeline: CountedPipeline, person: str, frames: Sequence[Frame]) -> Watch:
    pipeline.take_spent()
    outcome = probe(pipeline, person, frames)
    return Watch(probe=outcome, frames=len(frames), film_s=film_seconds(frames), spent=pipeline.take_spent())


def _per_frame(watched: Sequence[Watch]) -> Round:
    frames = sum(one.frames for one in watched)
    return Round(
        identity_cpu_ms=sum(one.spent.identity_cpu_ms for one in watched) / frames,
        cpu_ms=sum(one.spent.cpu_ms for one in watched) / frames,
    )


def _ratios(above: Sequence[float], below: Sequence[float]) -> Spread:
    return Spread.of([a / max(b, 1e-9) for a, b in zip(above, below, strict=True)])
