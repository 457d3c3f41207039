"""Which state each resource is in, and the log of its changes."""
