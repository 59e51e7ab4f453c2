"""The report: one page of what a bundle's records prove."""
