"""The cache, and nothing that knows a payment or a task."""
