"""How well networks tell people apart, by one protocol and on the very same crops: ours, and those of others."""
