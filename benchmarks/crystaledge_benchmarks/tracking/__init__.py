"""How well the tracker keeps identities: synthetic scenes with ground truth, and the comparison with its peers."""
