"""Every rule, and the families of targets that it holds for."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge_calibration.lint import (
    rules_fusion,
    rules_numbers,
    rules_operators,
    rules_pairs,
    rules_state,
    rules_state_scale,
    rules_structure,
    rules_types,
    rules_versions,
    rules_weights,
)
from crystaledge_calibration.lint.subject import Check
from crystaledge_calibration.lint.targets import Family

_ALL = frozenset(Family)
_TENSORRT = frozenset({Family.TENSORRT})


@dataclass(frozen=True, slots=True)
class Registered:
    """A rule and where it holds."""

    check: Check
    families: frozenset[Family]


RULES = (
    Registered(rules_structure.check_wiring, _ALL),
    Registered(rules_structure.check_constants, _ALL),
    Registered(rules_structure.check_subgraphs, _ALL),
    Registered(rules_structure.check_border, _ALL),
    Registered(rules_versions.check_opset, _ALL),
    Registered(rules_versions.check_ir_version, _ALL),
    Registered(rules_operators.check_known, _ALL),
    Registered(rules_operators.check_forbidden, _TENSORRT),
    Registered(rules_operators.check_missing, _TENSORRT),
    Registered(rules_operators.check_domains, _ALL),
    Registered(rules_operators.check_recurrent, _ALL),
    Registered(rules_types.check_mixed, _ALL),
    Registered(rules_types.check_outputs, _ALL),
    Registered(rules_numbers.check_zero_points, _TENSORRT),
    Registered(rules_numbers.check_zero_point_counts, _ALL),
    Registered(rules_numbers.check_zero_points_given, _TENSORRT),
    Registered(rules_numbers.check_element_types, _ALL),
    Registered(rules_numbers.check_scale_values, _ALL),
    Registered(rules_numbers.check_scales_constant, _TENSORRT),
    Registered(rules_weights.check_int32_bias, _TENSORRT),
    Registered(rules_weights.check_int8_constants, _TENSORRT),
    Registered(rules_weights.check_weight_axes, _ALL),
    Registered(rules_weights.check_activations_per_tensor, _ALL),
    Registered(rules_pairs.check_declared, _ALL),
    Registered(rules_pairs.check_paired, _ALL),
    Registered(rules_pairs.check_pairs_agree, _ALL),
    Registered(rules_pairs.check_both_sides, _ALL),
    Registered(rules_fusion.check_gates, _TENSORRT),
    Registered(rules_fusion.check_fusion, _TENSORRT),
    Registered(rules_fusion.check_residuals, _TENSORRT),
    Registered(rules_state.check_used, _ALL),
    Registered(rules_state.check_not_copied, _ALL),
    Registered(rules_state.check_output_float, _ALL),
    Registered(rules_state.check_carried_float, _ALL),
    Registered(rules_state_scale.check_state_scales, _ALL),
)
"""In the order in which findings are told."""
