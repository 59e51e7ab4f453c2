"""Working halves of the verbs; each is imported when it runs."""
