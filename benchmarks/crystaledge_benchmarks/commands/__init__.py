"""Working halves of the verbs."""
