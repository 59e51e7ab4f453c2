"""Tables are plain and aligned."""

from __future__ import annotations

from crystaledge_benchmarks.table import PartReport, Table, number, percent, share

TABLE = Table("Cost", ("clip", "ms"), (("a", "10.5"), ("longer", "9.25")))


def test_first_column_stands_left_and_the_others_right() -> None:
    assert TABLE.text() == "Cost\nclip      ms\na       10.5\nlonger  9.25"


def test_a_table_without_rows_has_its_header() -> None:
    assert Table("Cost", ("clip", "ms"), ()).text() == "Cost\nclip  ms"


def test_a_report_shows_tables_and_findings() -> None:
    report = PartReport(name="speed", tables=(TABLE,), findings=("It is fast.",), record=None)
    assert report.text() == f"== speed\n\n{TABLE.text()}\n\nIt is fast."


def test_numbers_that_are_absent_are_a_dash() -> None:
    assert (number(None), number(1.005, 1), percent(None), percent(0.125)) == ("-", "1.0", "-", "12.5 %")
    assert (share(1, 4), share(0, 0)) == (0.25, None)
