"""Which face is which over time: motion, overlap and, where motion does not decide, appearance."""
