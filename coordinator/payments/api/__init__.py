"""The HTTP interface to payments: reading them, who may, how often, and how errors look."""
