"""What the video pipeline costs, finds and keeps, measured on real and drawn film; see `__main__`."""
