"""Verification metrics and their bootstrap, in numpy: training measures with them, and so does the parity gate."""
