"""A payment provider for development: slow, rate limited, and failing on demand."""
