"""What frames cost where little, much, or nothing but light changes, and what is missed for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crystaledge.scene.crowd import CrowdSource
from crystaledge.sources.frame import Frame
from crystaledge_benchmarks.cpu import CpuClock, Spread
from crystaledge_benchmarks.table import PartReport, Table, number, percent
from crystaledge_benchmarks.video.clips import clips_in, frames_of
from crystaledge_benchmarks.video.dense_look import DenseLook
from crystaledge_benchmarks.video.modes import BARE, DENSE, OURS, Mode, modes_of
from crystaledge_benchmarks.video.overlap import Recall
from crystaledge_benchmarks.video.scenes import ACTIVE, CROWD, PAN, STILL, Place, place_of, scenes_of
from crystaledge_benchmarks.video.setup import Setup

NAME = "gates"
CLIPS = ("person08", "stage_show_short")
_WARM_FRAMES = 60
"""Not timed: until then rules that count frames have not come to rest."""
_IOU = 0.5
STILL_AIM, PAN_AIM = 0.02, 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeResult:
    """One mode on one scene."""

    mode: str
    cpu_ms: Spread
    """Per frame, resizing and differencing included; over repeats."""
    each_cpu_ms: tuple[float, ...]
    wanted: int
    """Faces that the detector alone reports at its operating point."""
    found: int
    """Those that the mode reports in the same frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneResult:
    """All modes on one scene."""

    place: str
    scene: str
    modes: tuple[ModeResult, ...]

    def cpu_ms(self, mode: str) -> tuple[float, ...]:
        """Of each repeat."""
        return next(result.each_cpu_ms for result in self.modes if result.mode == mode)


def run(setup: Setup) -> PartReport:
    """All modes on all scenes of all places."""
    results = measure(list(_places(setup)), modes_of(setup), frames=setup.frames, repeats=setup.repeats)
    return PartReport(name=NAME, tables=_tables(results), findings=tuple(_findings(results)), record=results)


def measure(
    places: Sequence[Place], makers: Mapping[str, Callable[[], Mode]], *, frames: int, repeats: int
) -> list[SceneResult]:
    """Modes take turns at every frame in a shuffled order, so that all of them see the same machine."""
    rounds = [
        {
            (place.name, scene): _once(film(), {name: make() for name, make in makers.items()})
            for place in places
            for scene, film in scenes_of(place, frames).items()
        }
        for _ in range(repeats)
    ]
    return [
        SceneResult(place=place, scene=scene, modes=tuple(_joined([r[place, scene] for r in rounds])))
        for place, scene in rounds[0]
    ]


def ratio(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Of two costs, repeat by repeat."""
    return Spread.of([a / max(b, 1e-9) for a, b in zip(above, below, strict=True)])


def _places(setup: Setup) -> Iterable[Place]:
    look = DenseLook(setup.detector)
    if setup.data is not None:
        for path in clips_in(setup.data):
            if path.stem in CLIPS:
                yield place_of(path.stem, frames_of(path), look)
    yield place_of("drawn crowd", list(CrowdSource(replace(CROWD, frames=setup.frames))), look)


def _once(film: Iterable[Frame], modes: Mapping[str, Mode]) -> dict[str, tuple[float, Recall]]:
    """CPU milliseconds per frame, and recall against the detector alone, of each mode."""
    frames = list(film)
    warm = min(_WARM_FRAMES, len(frames) // 3)
    clocks = {name: CpuClock() for name in modes}
    recalls = {name: Recall(_IOU) for name in modes}
    order = np.random.default_rng(0)
    for index, frame in enumerate(frames):
        for name in order.permutation(list(modes)).tolist():
            fresh = replace(frame, pixels=frame.pixels.copy())  # as warm in the caches as a decoder leaves it
            with clocks[name] if index >= warm else CpuClock():
                modes[name].see(fresh)
        reference = modes[BARE].reported()
        for name, mode in modes.items():
            recalls[name].add(reference, mode.reported())
    return {name: (clocks[name].total_s * 1e3 / (len(frames) - warm), recalls[name]) for name in modes}


def _joined(rounds: Sequence[Mapping[str, tuple[float, Recall]]]) -> Iterable[ModeResult]:
    for mode in rounds[0]:
        each = tuple(one[mode][0] for one in rounds)
        recall = rounds[0][mode][1]
        yield ModeResult(mode=mode, cpu_ms=Spread.of(each), each_cpu_ms=each, wanted=recall.wanted, found=recall.found)


def _tables(results: Sequence[SceneResult]) -> tuple[Table, Table]:
    modes = [one.mode for one in results[0].modes]
    cost = [(f"{r.place}, {r.scene}", *(m.cpu_ms.text(3) for m in r.modes)) for r in results]
    recall = [
        (f"{r.place}, {r.scene}", str(r.modes[0].wanted), *(percent(_share(m)) for m in r.modes)) for r in results
    ]
    return (
        Table("CPU ms per frame, median (min-max) of repeats", ("scene", *modes), tuple(cost)),
        Table("Share of the detector's faces reported in the same frame", ("scene", "faces", *modes), tuple(recall)),
    )


def _share(result: ModeResult) -> float | None:
    return result.found / result.wanted if result.wanted else None


def _findings(results: Sequence[SceneResult]) -> Iterable[str]:
    by_name = {(r.place, r.scene): r for r in results}
    for place in dict.fromkeys(r.place for r in results):
        active, still, pan = (by_name[place, scene] for scene in (ACTIVE, STILL, PAN))
        for mode in (m.mode for m in active.modes):
            found = ratio(still.cpu_ms(mode), active.cpu_ms(mode))
            aim = f", aim {number(STILL_AIM)}" if mode == OURS else ""
            yield f"{place}: still over active, {mode}: {found.text(3)}{aim}."
        for other in (DENSE, BARE):
            found = ratio(pan.cpu_ms(OURS), pan.cpu_ms(other))
            aim = f", aim {number(PAN_AIM)}" if other == DENSE else ""
            yield f"{place}: pan, ours over {other}: {found.text()}{aim}."
