"""`crystaledge report`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from crystaledge.bundle import Bundle
from crystaledge.cli.verb import Outcome
from crystaledge.errors import UsageError
from crystaledge.files import refuse_existing_file, write_atomic
from crystaledge_benchmarks.report.bundle_records import read_records
from crystaledge_benchmarks.report.page import report_html
from crystaledge_benchmarks.report.report_json import report_data, report_json


def run(arguments: Namespace) -> Outcome:
    """Write the report of a bundle; see the verb's help."""
    page, data = _outputs(arguments.out, arguments.bundle, force=arguments.force)
    records = read_records(Bundle.open(arguments.bundle))
    html, text = report_html(records), report_json(records)  # both whole before either is written
    write_atomic(data, text.encode())
    write_atomic(page, html.encode())
    verdicts = report_data(records)["verdicts"]
    lines = [f"{verdict['standing']}: {verdict['sentence']}" for verdict in verdicts]
    return Outcome(
        text="\n".join([*lines, f"{page} and {data.name} written"]),
        data={"report": str(page), "records": str(data), "verdicts": verdicts},
    )


def _outputs(page: Path, bundle: Path, *, force: bool) -> tuple[Path, Path]:
    """The page and the JSON file beside it.

    Raises:
        UsageError: the name is not that of a page, or the page would lie in the bundle.
        OutputExistsError: one of both exists and `force` is false.
    """
    if page.suffix != ".html":
        msg = f"--out {page} is not the name of a page; give one that ends in .html."
        raise UsageError(msg)
    if page.resolve().is_relative_to(bundle.resolve()):
        msg = f"--out {page} lies in the bundle, which holds its own files alone; give a place outside of {bundle}."
        raise UsageError(msg)
    data = page.with_suffix(".json")
    for path in (page, data):
        refuse_existing_file(path, force=force)
    return page, data
