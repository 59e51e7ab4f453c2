"""What every error message of this house has to be."""

from __future__ import annotations

import pytest

from crystaledge.errors import CrystalEdgeError


def message_of(raised: pytest.ExceptionInfo[CrystalEdgeError]) -> str:
    """The message of an error that was raised on purpose; one line, or the test fails."""
    message = str(raised.value)
    assert message, "an error without a message helps nobody"
    assert len(message.splitlines()) == 1, f"more than one line: {message!r}"
    return message
