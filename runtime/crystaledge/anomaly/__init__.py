"""Anomalies in images: maps of distance from what is normal, and what is made of them."""
