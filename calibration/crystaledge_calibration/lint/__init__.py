"""Is a graph legal for a target? Rules over an ONNX file, with numpy and onnx alone."""
