"""Face detection on the host: box maps, change maps, tiles and what is recomputed when."""
