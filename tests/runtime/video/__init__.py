"""The video rooms, on squares that a hand-made detector finds."""
