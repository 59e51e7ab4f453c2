"""Tests of building TensorRT engines."""
