"""What a track's colour tells, and when a face counts as identified."""

from __future__ import annotations

import pytest

from crystaledge.liveness.result import Liveness
from crystaledge.outputs.view import Sink, TrackState
from tests.runtime.outputs.builders import NAME, track_view


@pytest.mark.parametrize(
    ("label", "crystallized", "coasting", "state", "identified"),
    [
        pytest.param(None, False, False, TrackState.TENTATIVE, False, id="new"),
        pytest.param(NAME, False, False, TrackState.TENTATIVE, False, id="guessed"),
        pytest.param(NAME, True, False, TrackState.KNOWN, True, id="known"),
        pytest.param(None, True, False, TrackState.UNKNOWN, False, id="unknown"),
        pytest.param(NAME, True, True, TrackState.COASTING, True, id="known-and-coasting"),
        pytest.param(NAME, False, True, TrackState.COASTING, False, id="guessed-and-coasting"),
    ],
)
def test_states(label: str | None, crystallized: bool, coasting: bool, state: TrackState, identified: bool) -> None:
    track = track_view(label=label, crystallized=crystallized, coasting=coasting)
    assert track.state is state
    assert track.identified is identified


def test_whether_it_is_a_photograph_is_another_question_than_who_it_is() -> None:
    assert track_view().liveness is None
    for liveness in Liveness:
        track = track_view(label=NAME, crystallized=True, liveness=liveness)
        assert track.state is TrackState.KNOWN
        assert track.identified


def test_a_sink_needs_both_halves() -> None:
    class Half(Sink):
        def close(self) -> None: ...

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]
