"""A source cut at its sequences."""

from __future__ import annotations

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from crystaledge.sources.by_sequence import by_sequence
from crystaledge.sources.frame import Frame
from tests.runtime.sources.scripted import ListSource


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_each_run_comes_whole_and_in_order(names: list[str]) -> None:
    (pattern,) = list(ListSource(1, name="x"))
    frames = [Frame(pattern.pixels, pattern.color, index, name) for index, name in enumerate(names)]
    expected = [(name, [frame.index for frame in run]) for name, run in groupby(frames, key=lambda f: f.sequence)]
    assert [(name, [frame.index for frame in run]) for name, run in by_sequence(frames)] == expected
