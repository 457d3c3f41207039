"""Explores interleavings: the project's real functions under a scheduler that decides every switch.

Actors (a writer, a reader, a settling worker, a fault) run as greenlets in one thread and stop
before each operation on the cache, the ledger, upstream or the broker; the scheduler picks who goes
on. `exhaustive` visits every schedule that can make a difference, `wandering` draws random ones
from a seed, `oracle` judges what readers got by what was committed, and `broken` takes the rules
away one by one to show that the judge can convict. ``docs/decisions/0004`` explains the protocol.
"""
