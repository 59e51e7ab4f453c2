"""What was found, as tables: the check on people it has never seen, and what else could decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crystaledge.liveness.config import PhotoCheckConfig
from crystaledge.liveness.result import NOT_COVERED
from crystaledge.metrics.bootstrap import Estimate
from crystaledge_benchmarks.liveness.measure import (
    ASKED,
    METHODS,
    MethodResult,
    judge,
    motion_scores,
    promised_threshold,
    threshold_for,
)
from crystaledge_benchmarks.liveness.windows import Window
from crystaledge_benchmarks.table import PartReport, Table, number

NAME = "liveness"
CHECK = "unexplained motion"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowMotion:
    """One window."""

    part: str
    person: str
    kind: str | None
    """None: alive."""
    motion_px: float | None
    side_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessResults:
    """Everything that was measured."""

    calibrated_px: float
    """The threshold that the training photographs of this run give; see `promised_threshold`."""
    shipped_px: float
    training_photographs: MethodResult
    """At the shipped threshold, as the next two."""
    test_photographs: MethodResult
    clips: MethodResult | None
    """Living people and stills of them; None where no clips were given."""
    others: tuple[MethodResult, ...]
    """On the clips alone; those that are cross-validated have seen other people of the same clips."""
    alive_by_person: tuple[tuple[str, int, int], ...]
    """Person, windows, windows called alive."""
    motions: tuple[WindowMotion, ...]
    """Every window, so that other thresholds can be tried."""


def compare(
    calibration: Sequence[Window],
    others: Sequence[Window],
    clips: Sequence[Window],
    config: PhotoCheckConfig,
    *,
    seed: int,
) -> LivenessResults:
    """Judge windows at the shipped threshold, and by every other method."""

    def check(windows: Sequence[Window]) -> MethodResult:
        return judge(CHECK, motion_scores(windows), windows, config.threshold_px, seed=seed)

    return LivenessResults(
        calibrated_px=promised_threshold(motion_scores(calibration), calibration),
        shipped_px=config.threshold_px,
        training_photographs=check(calibration),
        test_photographs=check(others),
        clips=check(clips) if clips else None,
        others=tuple(_by_others(clips, seed)) if _both_shown(clips) else (),
        alive_by_person=_by_person(clips, config.threshold_px),
        motions=tuple(
            WindowMotion(
                part=part,
                person=one.person,
                kind=None if one.kind is None else one.kind.value,
                motion_px=one.motion_px,
                side_px=one.side_px,
            )
            for part, windows in (("training", calibration), ("test", others), ("clips", clips))
            for one in windows
        ),
    )


def report(results: LivenessResults) -> PartReport:
    """Tables for a person."""
    tables = [
        _table("Photographs of training people, which chose the threshold", results.training_photographs),
        _table("Photographs of test people", results.test_photographs),
    ]
    if results.clips is not None:
        tables.append(_table("People of the clips, alive and as stills; nothing was chosen on them", results.clips))
    tables += [_table(f"The same by: {other.method}", other) for other in results.others]
    if results.alive_by_person:
        rows = tuple((person, str(windows), str(alive)) for person, windows, alive in results.alive_by_person)
        tables.append(Table("Living people", ("person", "windows", "called alive"), rows))
    return PartReport(name=NAME, tables=tuple(tables), findings=_findings(results), record=results)


def _by_others(windows: Sequence[Window], seed: int) -> list[MethodResult]:
    found = []
    for method, (scores_of, threshold) in METHODS.items():
        scores = scores_of(windows)
        chosen = threshold_for(scores, windows) if threshold is None else threshold
        found.append(judge(method, scores, windows, chosen, seed=seed))
    return found


def _both_shown(windows: Sequence[Window]) -> bool:
    """Whether there are attacks and living people, several of them, so that one can be told from the other."""
    shown = {one.kind is None for one in windows}
    return len(shown) == 2 and len({one.person for one in windows}) > 1


def _by_person(windows: Sequence[Window], threshold_px: float) -> tuple[tuple[str, int, int], ...]:
    alive = [one for one in windows if one.kind is None]
    scores = motion_scores(alive)
    people = sorted({one.person for one in alive})
    mine = {person: [row for row, one in enumerate(alive) if one.person == person] for person in people}
    return tuple((person, len(rows), int((scores[rows] >= threshold_px).sum())) for person, rows in mine.items())


def _table(title: str, result: MethodResult) -> Table:
    header = ("shown", "people", "windows", "error rate", "95 %", "AUC against the living")
    rows = [
        (f"APCER {rate.kind}", str(rate.people), str(rate.windows), *_percent(rate.called_alive), number(rate.area, 4))
        for rate in result.attacks
    ]
    if result.alive is not None:
        share = result.alive.called_alive
        missed = Estimate(1.0 - share.value, 1.0 - share.high, 1.0 - share.low)
        rows.append(("BPCER", str(result.alive.people), str(result.alive.windows), *_percent(missed), "-"))
    return Table(f"{title} (threshold {result.threshold:.2f})", header, tuple(rows))


def _percent(share: Estimate) -> tuple[str, str]:
    return f"{100 * share.value:.1f} %", f"{100 * share.low:.1f} to {100 * share.high:.1f}"


def _findings(results: LivenessResults) -> tuple[str, ...]:
    return (
        f"By the training photographs no kind passes more often than {100 * ASKED:g} %, with 95 % confidence, from "
        f"{results.calibrated_px:.2f} px on; the threshold that ships is {results.shipped_px:.2f} px.",
        f"Not covered: {', '.join(NOT_COVERED)}.",
    )
