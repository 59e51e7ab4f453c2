"""A configuration that keeps nothing is refused when it is made."""

from __future__ import annotations

import pytest

from crystaledge.errors import UsageError
from crystaledge_training.anomaly.make_backbone import preprocessing_of
from crystaledge_training.student_teacher.config import PUBLISHED_PAIR
from crystaledge_training.student_teacher.train_config import StudentTeacherTrainConfig
from tests.support.messages import message_of


@pytest.mark.parametrize("value", [0.0, -0.1, 0.95, float("nan")])
@pytest.mark.parametrize(
    ("name", "said"), [("holdout", "hold-out"), ("watched", "watched"), ("false_alarm_rate", "false")]
)
def test_shares_that_keep_nothing_are_refused(name: str, said: str, value: float) -> None:
    with pytest.raises(UsageError) as raised:
        StudentTeacherTrainConfig(**{name: value})  # type: ignore[arg-type]
    assert said in message_of(raised)


def test_images_are_prepared_as_the_teacher_wants_them() -> None:
    for network in (StudentTeacherTrainConfig().network, PUBLISHED_PAIR):
        config = StudentTeacherTrainConfig(network=network, size_hw=(64, 96))
        assert config.preprocessing == preprocessing_of(network.teacher, (64, 96))
