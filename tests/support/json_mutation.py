"""Hypothesis strategies that spoil JSON values at random places."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

Place = tuple[str | int, ...]

JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-3, 70).map(float)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def places_of(values: Any, here: Place = ()) -> Iterator[Place]:
    """Every place inside a JSON value, the root left out."""
    if here:
        yield here
    if isinstance(values, dict):
        for key, inner in values.items():
            yield from places_of(inner, (*here, key))
    if isinstance(values, list):
        for index, inner in enumerate(values):
            yield from places_of(inner, (*here, index))


def value_at(values: Any, place: Place) -> Any:
    """The value at a place."""
    for step in place:
        values = values[step]
    return values


@st.composite
def spoiled(draw: st.DrawFn, original: Any) -> Any:
    """A copy of JSON values with one to three random deletions, replacements or additions.

    Half of the replacements are values from elsewhere in the same document: right in form, and in the
    wrong place, which finds more than noise does.
    """
    values = deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        everywhere = list(places_of(values))
        if not everywhere:
            break
        place = draw(st.sampled_from(everywhere))
        parent, last = value_at(values, place[:-1]), place[-1]
        new_value = JSON_VALUES | st.just(deepcopy(value_at(values, draw(st.sampled_from(everywhere)))))
        change = draw(st.sampled_from(["delete", "replace", "add"]))
        if change == "delete":
            del parent[last]
        elif change == "replace":
            parent[last] = draw(new_value)
        elif isinstance(parent, list):
            parent.append(draw(new_value))
        else:
            parent[draw(st.text(max_size=8))] = draw(new_value)
    return values
