"""Numbers that are given once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import UsageError
from crystaledge.tracking.ids import TrackIds
from tests.support.messages import message_of


@given(st.integers(0, 50), st.lists(st.none() | st.integers(-5, 80)))
def test_no_number_is_given_twice_whatever_is_skipped(first: int, skips: list[int | None]) -> None:
    ids, given_before, highest = TrackIds(first), [], first - 1
    for skip in skips:
        if skip is not None:
            ids.skip_past(skip)
            highest = max(highest, skip)
        assert ids.next == highest + 1
        highest = ids.take()
        given_before.append(highest)
    assert given_before == sorted(set(given_before))


def test_threads_share_numbers() -> None:
    ids = TrackIds()
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda _: ids.take(), range(2000)))
    assert sorted(numbers) == list(range(2000))


def test_a_negative_start_is_refused() -> None:
    with pytest.raises(UsageError) as raised:
        TrackIds(-1)
    assert "give 0 or more" in message_of(raised)
