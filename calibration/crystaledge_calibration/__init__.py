"""Closed-loop rollouts of step graphs, and how far two of them are apart. Needs no torch."""
