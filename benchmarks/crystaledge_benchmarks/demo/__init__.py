"""The demo: every link of the chain once, with what it showed."""
