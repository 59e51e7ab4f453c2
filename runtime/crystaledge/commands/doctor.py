"""`crystaledge doctor`."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.cli.verb import Outcome
from crystaledge.doctor.check import Health
from crystaledge.doctor.doctor import examine
from crystaledge.jsonio import encode

_ENGINES = ("onnxruntime", "tensorrt", "tensorrt-rtx")


def run(arguments: Namespace) -> Outcome:
    """Examine this device; see the verb's help."""
    checks = examine()
    lines = []
    for check in checks:
        lines.append(f"{check.name:12} {check.health.value:8} {check.detail}")
        if check.cure:
            lines.append(f"{'':12} {'':8} -> {check.cure}")
    working = [c.name for c in checks if c.name in _ENGINES and c.health is Health.WORKS]
    lines.append(f"engines that run here: {', '.join(working) or 'none'}")
    return Outcome(text="\n".join(lines), data={"checks": encode(checks), "engines": working}, passed=bool(working))
