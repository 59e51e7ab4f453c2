"""TensorRT and TensorRT-RTX: engines that were built from a bundle's graph, states kept on the device."""
