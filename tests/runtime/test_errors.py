"""One tree of errors, and an exit status for each."""

from __future__ import annotations

import pytest

from crystaledge import errors
from crystaledge.errors import CrystalEdgeError, GateFailedError, InputError

EVERY_ERROR = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_every_error_is_one_of_ours_with_an_exit_status(kind: type[Exception]) -> None:
    assert issubclass(kind, CrystalEdgeError)
    assert kind.exit_status == (1 if issubclass(kind, GateFailedError) else 2)


def test_bad_input_is_told_from_a_failed_gate() -> None:
    assert not issubclass(GateFailedError, InputError)
    assert GateFailedError.exit_status == 1
    assert InputError.exit_status == 2
