"""From checkpoints to stateful ONNX graphs and bundles."""
