"""What docs/migrating.md ends with: the code that took the place of a hand-written cache."""
