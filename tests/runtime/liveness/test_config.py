"""The values that error rates were measured with, and windows that cannot be."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import pytest

from crystaledge.errors import UsageError
from crystaledge.jsonio import dumps, loads
from crystaledge.liveness.config import CALIBRATED_PX, PhotoCheckConfig
from tests.support.messages import message_of


def test_without_a_word_it_is_as_it_was_calibrated() -> None:
    config = PhotoCheckConfig()
    assert config.threshold_px == CALIBRATED_PX
    assert 0.5 < CALIBRATED_PX < 4  # of a face of some 65 px: more than noise, less than a mouth that opens
    assert (config.looks, config.quantile, config.least_compared) == (10, 0.75, 3)
    assert config.every_s < config.absent_s < config.looks * config.every_s
    assert config.looks * config.every_s < config.photograph_rest_s < config.alive_rest_s


def test_nobody_changes_it_on_the_way() -> None:
    with pytest.raises(FrozenInstanceError):
        PhotoCheckConfig().looks = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("looks", "least_compared", "quantile"),
    [
        pytest.param(1, 1, 0.5, id="nothing-to-compare-with"),
        pytest.param(0, 1, 0.5, id="no-looks"),
        pytest.param(4, 0, 0.5, id="a-verdict-of-nothing"),
        pytest.param(4, 4, 0.5, id="more-compared-than-there-are"),
        pytest.param(2, 3, 0.5, id="least-of-a-longer-window"),
        pytest.param(4, 3, 1.01, id="more-than-all"),
        pytest.param(4, 3, -0.01, id="less-than-none"),
        pytest.param(4, 3, math.nan, id="no-share"),
    ],
)
def test_a_window_that_cannot_be_is_refused(looks: int, least_compared: int, quantile: float) -> None:
    with pytest.raises(UsageError) as raised:
        PhotoCheckConfig(looks=looks, least_compared=least_compared, quantile=quantile)
    message = message_of(raised)
    assert message.startswith(f"A window of {looks} looks, of which {least_compared} are compared, at quantile ")
    assert "expected at least 2 looks" in message


@pytest.mark.parametrize(("every_s", "absent_s"), [(0.1, 0.0), (0.3, 0.3), (2.0, 0.3), (0.0, 0.3), (0.1, math.nan)])
def test_an_absence_that_is_none_is_refused(every_s: float, absent_s: float) -> None:
    with pytest.raises(UsageError) as raised:
        PhotoCheckConfig(every_s=every_s, absent_s=absent_s)
    assert "expected 0 < every_s < absent_s" in message_of(raised)


@pytest.mark.parametrize(("looks", "least_compared", "quantile"), [(2, 1, 0.0), (2, 1, 1.0), (4, 1, 0.5), (4, 3, 0.5)])
def test_written_down_it_comes_back(looks: int, least_compared: int, quantile: float) -> None:
    config = PhotoCheckConfig(looks=looks, least_compared=least_compared, quantile=quantile)
    assert loads(PhotoCheckConfig, dumps(config), where="config") == config
