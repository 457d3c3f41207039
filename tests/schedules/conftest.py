"""The world of schedules, for tests in one process."""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.schedules.world import World


@pytest.fixture(scope="module")
def made_world(django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Yield a world that tests use one after another. Its database is its own."""
    with django_db_blocker.unblock():
        world = World()
    yield world
    world.close()


@pytest.fixture
def world(
    own_cache: None, made_world: World, django_db_blocker: DjangoDbBlocker
) -> Iterator[World]:
    """Put the world in place for one test."""
    with django_db_blocker.unblock(), made_world.installed():
        yield made_world
