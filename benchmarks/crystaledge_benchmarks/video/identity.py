"""Who is taken for whom: the last third of each clip against people learnt from the first thirds.

Closed: everybody is enrolled. Left out: each clip is shown where everybody but its own person is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from crystaledge.identity.spec import Stopping
from crystaledge.sources.frame import Frame
from crystaledge.video.options import VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from crystaledge_benchmarks.table import PartReport, Table, number
from crystaledge_benchmarks.video.clips import TALKING_HEADS, clips_in, frames_of
from crystaledge_benchmarks.video.dense_look import DenseLook
from crystaledge_benchmarks.video.enrolment import Enrolment, enroll_all, last_third, learn_all
from crystaledge_benchmarks.video.probe import NOBODY, UNDECIDED, Probe, probe
from crystaledge_benchmarks.video.setup import Setup

NAME = "identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """One stopping rule."""

    stopping: Stopping
    closed: tuple[Probe, ...]
    left_out: tuple[Probe, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityResult:
    """Everything that was found."""

    enrolments: tuple[Enrolment, ...]
    rules: tuple[RuleResult, ...]


def run(setup: Setup) -> PartReport:
    """All stopping rules on all talking heads."""
    people = {path.stem: frames_of(path, setup.clip_frames) for path in clips_in(setup.folder(), TALKING_HEADS)}
    return report(measure(setup, people))


def measure(setup: Setup, people: Mapping[str, Sequence[Frame]]) -> IdentityResult:
    """Learn everybody once, then recognise them by each rule."""
    detect = DenseLook(setup.detector)
    with VideoPipeline.of(setup.detector, setup.identity) as learner:
        states, enrolments = learn_all(learner, detect, people)
    rules = []
    for stopping in Stopping:
        options = VideoOptions(stopping=stopping, steady_every_s=setup.steady_every_s)
        with VideoPipeline.of(setup.detector, setup.identity, options) as pipeline:
            crystallizer = pipeline.crystallizer
            assert crystallizer is not None
            gallery = crystallizer.gallery
            enroll_all(gallery, states)
            closed = tuple(probe(pipeline, person, last_third(frames)) for person, frames in people.items())
            left_out = []
            for person in states:
                gallery.remove(person)
                left_out.append(probe(pipeline, person, last_third(people[person])))
                enroll_all(gallery, {person: states[person]})
        rules.append(RuleResult(stopping=stopping, closed=closed, left_out=tuple(left_out)))
    return IdentityResult(enrolments=tuple(enrolments), rules=tuple(rules))


def confusion(probes: Iterable[Probe]) -> dict[str, Counter[str]]:
    """Answers to each person's main track; one row a person."""
    rows: dict[str, Counter[str]] = {}
    for one in probes:
        rows.setdefault(one.person, Counter())[one.main.answer] += 1
    return rows


def tally(probes: Sequence[Probe]) -> Counter[str]:
    """Main tracks by `right`, `wrong`, `nobody`, `undecided`, and `others named` for tracks beside them."""
    counts: Counter[str] = Counter()
    for one in probes:
        answer = one.main.answer
        named = "right" if answer == one.person else "wrong"
        counts[answer if answer in (NOBODY, UNDECIDED) else named] += 1
        counts["nearest right"] += main_is_near(one)
        counts["wrong at any time"] += any(name != one.person for name in one.main.ever)
        counts["others named"] += sum(track.answer not in (NOBODY, UNDECIDED) for track in one.others)
    return counts


def main_is_near(one: Probe) -> bool:
    """Whether the right person is the best match of the main track, committed or not."""
    return one.main.best is not None and one.main.best.name == one.person


def report(result: IdentityResult) -> PartReport:
    """Tables: enrolment, one matrix and one list a rule, and what left-out people were taken for."""
    tables = [_enrolment_table(result.enrolments)]
    for rule in result.rules:
        tables += [_matrix(rule), _list(rule.closed, f"Closed, {rule.stopping.value}")]
        tables.append(_list(rule.left_out, f"Left out, {rule.stopping.value}"))
    return PartReport(
        name=NAME, tables=tuple(tables), findings=tuple(_finding(rule) for rule in result.rules), record=result
    )


def _enrolment_table(enrolments: Sequence[Enrolment]) -> Table:
    rows = [(e.person, str(e.offered), str(e.refused), str(e.observations), e.reason or "") for e in enrolments]
    header = ("person", "frames", "refused", "observations", "not learnt because")
    return Table("Enrolled from frames of the first third that show one face", header, tuple(rows))


def _matrix(rule: RuleResult) -> Table:
    rows = confusion(rule.closed)
    columns = (*rows, NOBODY, UNDECIDED)
    cells = [(person, *(str(answers[column] or ".") for column in columns)) for person, answers in rows.items()]
    return Table(
        f"Closed confusion, {rule.stopping.value}: whom each clip's main track is", ("", *columns), tuple(cells)
    )


def _list(probes: Sequence[Probe], title: str) -> Table:
    rows = []
    for one in probes:
        main = one.main
        others = ", ".join(f"{track.answer} ({track.frames})" for track in one.others)
        committed = str(main.observations) if main.observations else "-"
        best = main.best
        nearest = ("-", "-", "-") if best is None else (best.name, number(best.llr), str(best.observations))
        facts = (
            main.answer,
            committed,
            number(main.llr),
            str(main.doubts),
            *nearest,
            str(len(one.tracks)),
            others or "-",
        )
        rows.append((one.person, *facts))
    header = (
        "clip",
        "taken for",
        "at observation",
        "LLR",
        "doubts",
        "nearest",
        "LLR",
        "looks",
        "tracks",
        "others (frames)",
    )
    return Table(title, header, tuple(rows))


def _finding(rule: RuleResult) -> str:
    words = []
    for name, probes in (("closed", rule.closed), ("left out", rule.left_out)):
        counts = tally(probes)
        words.append(f"{name} " + ", ".join(f"{what} {counts[what]}" for what in sorted(counts) if counts[what]))
    return f"{rule.stopping.value}, of {len(rule.closed)} clips: {'; '.join(words)}."
