"""`crystaledge demo`."""

from __future__ import annotations

from argparse import Namespace

from crystaledge.cli.verb import Outcome, talk
from crystaledge.files import folder_atomic
from crystaledge.jsonio import encode
from crystaledge.scene.scene import SceneConfig
from crystaledge_benchmarks.demo.chain import run_chain
from crystaledge_benchmarks.demo.report import demo_html

REPORT = "report.html"


def run(arguments: Namespace) -> Outcome:
    """Run the whole chain and write the report; see the verb's help."""
    with folder_atomic(arguments.out, force=arguments.force, marker=REPORT) as folder:
        result = run_chain(folder, scene=SceneConfig(), say=talk)
        (folder / REPORT).write_text(demo_html(result), encoding="utf-8")
    report = arguments.out / REPORT
    verdict = "every check passed" if result.passed else "a check FAILED"
    data = {
        "report": str(report),
        "passed": result.passed,
        "stages": encode(result.stages),
        "latency": [
            {"name": row.name, "p50_ms": row.p50_ms, "p90_ms": row.p90_ms, "p99_ms": row.p99_ms}
            for row in (*result.single, *result.many)
        ],
    }
    return Outcome(text=f"{report}: {verdict}", data=data, passed=result.passed)
