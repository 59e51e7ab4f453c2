"""Model repositories for NVIDIA Triton Inference Server, with the state declared."""
