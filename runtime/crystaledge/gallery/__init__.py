"""Enrolled people on disk: encrypted, with consent and expiry, an audit, and forgetting that leaves nothing."""
