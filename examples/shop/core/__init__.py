"""What the shop had before: a task of its own, and a cache of its own."""
