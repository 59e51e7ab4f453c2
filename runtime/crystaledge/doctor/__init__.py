"""What this device can run, proven by running it, and how to get what is missing."""
