"""From camera pixels to tensor rows."""
