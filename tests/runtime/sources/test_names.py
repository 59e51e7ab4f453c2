"""Sequences of different sources never share a name."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crystaledge.sources.frame import Source
from crystaledge.sources.names import SequenceNames
from tests.runtime.sources.scripted import ListSource

NAMES = st.sampled_from(["door", "door#2", "hall", ""])


class Unnamed(ListSource):
    """A source whose name is not known before its frames."""

    def __init__(self) -> None:
        super().__init__(1)
        del self.name


def test_equal_names_get_a_suffix_in_the_order_of_the_sources() -> None:
    names = SequenceNames([ListSource(1, name="door"), ListSource(1, name="hall"), ListSource(1, name="door")])
    # The second camera's frame comes first, and it is the second all the same.
    assert [names.name_of(source, "door") for source in (2, 0)] == ["door#2", "door"]
    assert names.name_of(1, "hall") == "hall"


def test_a_known_name_goes_before_one_that_turns_up() -> None:
    names = SequenceNames([Unnamed(), ListSource(1, name="door")])
    assert names.name_of(0, "door") == "door#2"
    assert names.name_of(1, "door") == "door"


def test_frames_are_the_same_objects_where_the_name_is_free() -> None:
    first, second = (next(iter(ListSource(1, name="door"))) for _ in range(2))
    names = SequenceNames([Unnamed(), Unnamed()])
    assert names.renamed(0, first) is first
    renamed = names.renamed(1, second)
    assert renamed.sequence == "door#2"
    assert renamed.pixels is second.pixels


@given(st.lists(st.one_of(st.none(), NAMES), min_size=3, max_size=3), st.lists(st.tuples(st.integers(0, 2), NAMES)))
def test_names_differ_between_sources_and_stay_the_same(known: list[str | None], asked: list[tuple[int, str]]) -> None:
    sources: list[Source] = [Unnamed() if name is None else ListSource(1, name=name) for name in known]
    names = SequenceNames(sources)
    given_names = {key: names.name_of(*key) for key in asked}
    assert len(set(given_names.values())) == len(given_names)
    assert {key: names.name_of(*key) for key in asked} == given_names
