"""Builds TensorRT and TensorRT-RTX engines from a bundle's graphs; needs neither torch nor, for TensorRT-RTX, a GPU."""
