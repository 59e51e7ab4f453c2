"""Templates and fingerprints: to the bit and back, and nothing that is not declared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from crystaledge.errors import ContractError
from crystaledge.gallery.template import ModelFingerprint, Template
from tests.runtime.gallery.galleries import MODEL, template
from tests.support.messages import message_of

DOUBLE: Any = np.zeros(3)
IDENTITIES = arrays(np.float32, st.integers(1, 70), elements=st.floats(-1e6, 1e6, width=32))


@given(IDENTITIES, st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 2**63 - 1))
def test_a_template_comes_back_to_the_bit(
    identity: NDArray[np.float32], log_variance: float, observations: int
) -> None:
    made = Template(identity=identity, log_variance=log_variance, observations=observations)
    back = Template.from_bytes(made.to_bytes())
    assert back.identity.tobytes() == identity.tobytes() and back.identity.dtype == np.float32
    assert (back.log_variance, back.observations) == (log_variance, observations)


def test_a_template_keeps_a_copy_that_cannot_be_written() -> None:
    identity = np.ones(3, np.float32)
    made = Template(identity=identity, log_variance=0.0, observations=1)
    identity[0] = 5.0
    assert made.identity.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="read-only"):
        made.identity[0] = 2.0


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(lambda: replace(template(1), identity=DOUBLE), "float64 [3]", id="float64"),
        pytest.param(lambda: replace(template(1), identity=np.zeros((1, 3), np.float32)), "[1, 3]", id="a-batch"),
        pytest.param(lambda: replace(template(1), identity=np.zeros(0, np.float32)), "float32 [0]", id="empty"),
        pytest.param(lambda: replace(template(1), identity=np.full(3, np.nan, np.float32)), "NaN", id="nan"),
        pytest.param(lambda: replace(template(1), identity=np.full(3, 2e6, np.float32)), "beyond", id="large"),
        pytest.param(lambda: replace(template(1), log_variance=float("inf")), "infinity", id="infinite-variance"),
        pytest.param(lambda: replace(template(1), observations=0), "at least 1", id="no-observation"),
        pytest.param(lambda: replace(template(1), observations=2**63), "at least 1", id="too-many-observations"),
        pytest.param(lambda: replace(MODEL, checkpoint_sha256="ab"), "SHA-256", id="no-sha256"),
        pytest.param(lambda: replace(MODEL, dimensions=0), "at least one dimension", id="no-dimensions"),
    ],
)
def test_what_breaks_the_contract_is_refused(make: Callable[[], Template | ModelFingerprint], expected: str) -> None:
    with pytest.raises(ContractError) as raised:
        make()
    assert expected in message_of(raised)
