"""What finding anomalies costs, and what state buys: `python -m crystaledge_benchmarks.anomaly`."""
