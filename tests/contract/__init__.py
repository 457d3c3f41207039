"""One suite of promises, kept by every cache backend."""
