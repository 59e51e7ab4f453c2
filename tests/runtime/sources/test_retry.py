"""Back-off grows, is bounded, and is the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import UsageError
from crystaledge.sources.retry import Retry
from tests.support.messages import message_of


@given(st.integers(1, 200), st.floats(1e-3, 10.0), st.floats(1.0, 100.0), st.integers(0, 9))
def test_each_delay_is_between_half_and_all_of_the_doubled_one(
    attempts: int, first_s: float, times: float, seed: int
) -> None:
    retry = Retry(attempts=attempts, first_delay_s=first_s, longest_delay_s=first_s * times, seed=seed)
    found = list(retry.delays_s("camera0"))
    assert len(found) == attempts
    for attempt, delay_s in enumerate(found):
        whole_s = min(first_s * 2**attempt, first_s * times)
        assert 0.5 * whole_s <= delay_s <= whole_s


def test_none_tries_for_ever() -> None:
    delays_s = islice(Retry(attempts=None).delays_s("camera0"), 5000)
    assert all(15.0 <= delay_s <= 30.0 for delay_s in list(delays_s)[10:])


def test_delays_are_seeded_and_differ_between_cameras() -> None:
    first = list(Retry().delays_s("camera0"))
    assert list(Retry().delays_s("camera0")) == first
    assert list(Retry(seed=1).delays_s("camera0")) != first
    assert list(Retry().delays_s("camera1")) != first


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Retry(attempts=0), id="no-attempt"),
        pytest.param(lambda: Retry(settled_frames=0), id="no-frame"),
        pytest.param(lambda: Retry(first_delay_s=0.0), id="no-delay"),
        pytest.param(lambda: Retry(first_delay_s=2.0, longest_delay_s=1.0), id="longest-is-shorter"),
        pytest.param(lambda: Retry(first_delay_s=float("nan")), id="nan"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[[], Retry]) -> None:
    with pytest.raises(UsageError) as raised:
        make()
    assert message_of(raised).startswith("Retry needs")
