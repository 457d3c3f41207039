"""The real servers that tests, stack and chaos start and stop."""
