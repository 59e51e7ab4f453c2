"""Latency, parity and the report: measurements that can be audited."""
