"""What the linter takes for known of its targets."""

from __future__ import annotations

import pytest

from crystaledge_calibration.choices import LintTarget
from crystaledge_calibration.lint.targets import Family, Typing, facts_of


@pytest.mark.parametrize("target", LintTarget)
def test_every_target_has_facts(target: LintTarget) -> None:
    facts = facts_of(target)
    assert (facts.family is Family.CPU) is (target is LintTarget.CPU)
    assert facts.engine.startswith("ONNX Runtime" if target is LintTarget.CPU else "TensorRT")
    assert 17 <= facts.most_opset <= 28
    assert 8 <= facts.most_ir <= 14


def test_newer_jetpacks_read_more() -> None:
    in_order = [facts_of(target) for target in LintTarget if target.value.startswith("jetpack")]
    opsets, irs = [f.most_opset for f in in_order], [f.most_ir for f in in_order]
    assert opsets == sorted(opsets)
    assert irs == sorted(irs)


def test_only_tensorrt_8_is_weakly_typed_and_wants_all_written_down() -> None:
    old = {LintTarget.JETPACK_5_1, LintTarget.JETPACK_6_0}
    for target in LintTarget:
        facts = facts_of(target)
        assert (facts.typing is Typing.WEAK) is (target in old)
        assert facts.wants_zero_point is facts.float_weights is (target in old)
