"""Fixtures for tests of the ledger on real databases."""

from tests.support.fixtures import no_cache, receivers_as_they_were

__all__ = ["no_cache", "receivers_as_they_were"]
