"""Breaks the running system on purpose, under traffic, and judges what came of it: ``make chaos``.

The stack of ``make stack`` with short timeouts; faults that happen to it one after the other; an
oracle that knows what was committed before each read; and at the end a comparison of the ledger
with what the provider itself holds.
"""
