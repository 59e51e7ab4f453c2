"""Quantization-aware training of any module: folding, equalising, int8 rounding in the forward pass, the artifact."""
