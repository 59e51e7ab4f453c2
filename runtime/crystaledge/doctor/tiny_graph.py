"""The smallest graph that computes: y = x + x for four float32 numbers, as an ONNX file (a test reads it)."""

from __future__ import annotations

TINY_GRAPH = bytes.fromhex(
    "08073a350a0e0a01780a017812017922034164641201745a0f0a0178120a0a08080112040a020804"
    "620f0a0179120a0a08080112040a02080442040a00100d"
)
