"""From the frames of cameras to identity events, at the price of what moved."""
