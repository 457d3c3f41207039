"""Stand-ins and helpers that more than one kind of test uses."""
