"""In what arithmetic an engine computes."""

from __future__ import annotations

from enum import Enum


class BuiltPrecision(Enum):
    """Arithmetic of an engine's heavy operators; states, gates and borders are float32 always."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
