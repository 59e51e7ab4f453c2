"""Findings as text for a person and as data for a script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from crystaledge.manifest.model import GraphSpec
from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.lint.findings import Finding, Rule, Severity, is_legal
from crystaledge_calibration.lint.targets import facts_of

_MOST_LINES = 8
_MOST_PLACES = 4
"""Lines shown for one rule, and places in a line; a badly quantized graph has the same fault everywhere."""

_Group = tuple[Severity, Rule, str, tuple[LintTarget, ...]]
"""What findings that are told together share: severity, rule, cure and targets."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A graph judged for one target."""

    target: LintTarget
    findings: tuple[Finding, ...]

    @property
    def legal(self) -> bool:
        """Whether the graph may run there."""
        return is_legal(self.findings)

    def count(self, severity: Severity) -> int:
        """How many findings are of that severity."""
        return sum(finding.severity is severity for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Judged:
    """A graph and its verdicts; none where it was made for other targets than those asked for."""

    graph: GraphSpec
    verdicts: tuple[Verdict, ...]


def text_of(judged: Sequence[Judged]) -> str:
    """One line per graph and target, then the findings by rule, each told once for all its targets."""
    lines = [line for one in judged for line in _verdict_lines(one)]
    for one in judged:
        lines += _finding_lines(one)
    return "\n".join(lines)


def data_of(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """The same for `--json`, nothing left out."""
    return [
        {
            "graph": one.graph.name,
            "precision": one.graph.precision.value,
            "made_for": None if one.graph.target is None else one.graph.target.value,
            "targets": [_verdict_data(verdict) for verdict in one.verdicts],
        }
        for one in judged
    ]


def _verdict_lines(one: Judged) -> Iterator[str]:
    for verdict in one.verdicts:
        words = ["legal" if verdict.legal else "not legal"]
        words += [_counted(n, severity) for severity in Severity if (n := verdict.count(severity))]
        yield f"{one.graph.name}  {verdict.target.value} ({facts_of(verdict.target).engine}): {', '.join(words)}"
    if not one.verdicts:
        made_for = "nothing" if one.graph.target is None else one.graph.target.value
        yield f"{one.graph.name}  not judged: it was made for {made_for}; name it with --graph to judge it all the same"


def _counted(number: int, severity: Severity) -> str:
    return f"{number} {severity.value}{'s' if number > 1 else ''}"


def _finding_lines(one: Judged) -> Iterator[str]:
    for (severity, rule, cure, targets), found in _grouped(one):
        where = "every target" if len(targets) == len(one.verdicts) > 1 else ", ".join(t.value for t in targets)
        yield ""
        yield f"{one.graph.name}: {severity.value} {rule.value}, for {where}"
        yield from _place_lines(found)
        yield f"  cure: {cure}"


def _place_lines(found: Sequence[Finding]) -> Iterator[str]:
    """Messages with their places; a message that many places share is said once."""
    places: dict[str, list[str]] = {}
    for finding in found:
        places.setdefault(finding.message, []).append(finding.where)
    for message, where in list(places.items())[:_MOST_LINES]:
        more = f" and {len(where) - _MOST_PLACES} more" if len(where) > _MOST_PLACES else ""
        yield f"  {', '.join(where[:_MOST_PLACES])}{more}: {message}"
    if len(places) > _MOST_LINES:
        yield f"  and {len(places) - _MOST_LINES} more; --json lists them all"


def _grouped(one: Judged) -> list[tuple[_Group, list[Finding]]]:
    """Findings of one kind on the same targets, errors first."""
    targets: dict[Finding, tuple[LintTarget, ...]] = {}
    for verdict in one.verdicts:
        for finding in verdict.findings:
            targets[finding] = (*targets.get(finding, ()), verdict.target)
    groups: dict[_Group, list[Finding]] = {}
    for finding, found in targets.items():
        groups.setdefault((finding.severity, finding.rule, finding.cure, found), []).append(finding)
    order = tuple(Severity)
    return sorted(groups.items(), key=lambda item: order.index(item[0][0]))


def _verdict_data(verdict: Verdict) -> dict[str, Any]:
    facts = facts_of(verdict.target)
    return {
        "target": verdict.target.value,
        "engine": facts.engine,
        "typing": facts.typing.value,
        "legal": verdict.legal,
        "errors": verdict.count(Severity.ERROR),
        "warnings": verdict.count(Severity.WARNING),
        "findings": [
            {
                "rule": finding.rule.value,
                "severity": finding.severity.value,
                "where": finding.where,
                "message": finding.message,
                "cure": finding.cure,
            }
            for finding in verdict.findings
        ],
    }
