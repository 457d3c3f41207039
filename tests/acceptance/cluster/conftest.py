"""pytest-celery's fixtures, overridden one by one: real nodes of this project, and no results."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from celery import Celery
from pytest_celery.api.broker import CeleryBrokerCluster
from pytest_celery.api.worker import CeleryTestWorker, CeleryWorkerCluster
from pytest_celery.vendors.redis.broker.api import RedisTestBroker
from pytest_django import DjangoDbBlocker

from tests.acceptance.cluster.nodes import BrokerNode, Node, WorkerNode
from tests.acceptance.cluster.place import Place
from tests.acceptance.cluster.system import System, environment
from tests.databases import default_database, emptied


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[Place]:
    """Yield where the nodes run: here, or in containers if COORDINATOR_CLUSTER says so."""
    made: Place
    if os.environ.get("COORDINATOR_CLUSTER") == "containers":
        from tests.acceptance.cluster.containers import Containers  # needs a Docker engine

        with django_db_blocker.unblock():
            made = Containers()
    else:
        from tests.acceptance.cluster.processes import Processes

        made = Processes(
            request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres_database")
        )
    yield made
    with django_db_blocker.unblock():
        made.close()


# -- what all tests share: it takes seconds to start, and comes back from whatever is done to it --


@pytest.fixture(scope="session")
def default_redis_broker(place: Place) -> BrokerNode:
    """Return the broker's node."""
    return place.broker()


@pytest.fixture(scope="session")
def celery_redis_broker(default_redis_broker: BrokerNode) -> RedisTestBroker:
    """Return the broker, which answers."""
    broker = RedisTestBroker(default_redis_broker)
    broker.ready()
    return broker


@pytest.fixture(scope="session")
def memcached_node(place: Place) -> Node:
    """Return the cache's node."""
    return place.memcached()


@pytest.fixture(scope="session")
def running_system(
    place: Place,
    celery_redis_broker: RedisTestBroker,
    memcached_node: Node,
    django_db_blocker: DjangoDbBlocker,
) -> System:
    """Return a web server, a beat and a simulator that are ready."""
    settings = environment(place, celery_redis_broker.config()["url"], memcached_node.inside)
    return System(place, settings)


@pytest.fixture
def system(
    place: Place,
    running_system: System,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[System]:
    """Yield the system with an empty ledger, which is this test's own as well.

    Cache and broker are as the test before has left them: numbers are never used twice.
    """
    running_system.end_slow_loads()
    with (
        django_db_blocker.unblock(),
        default_database(place.database().settings),
        emptied(),
    ):
        yield running_system


# -- pytest-celery's: a broker, workers, and no backend --------------------------------------------


@pytest.fixture
def celery_backend_cluster() -> None:
    """Return none: nobody asks for a task's result."""


@pytest.fixture
def celery_broker_cluster(celery_redis_broker: RedisTestBroker) -> CeleryBrokerCluster:
    """Return the one broker."""
    return CeleryBrokerCluster(celery_redis_broker)


@pytest.fixture
def default_worker_container(place: Place, system: System) -> Iterator[WorkerNode]:
    """Yield a worker that is ready."""
    node = place.worker("worker-1", system.settings)
    node.ready()
    yield node
    node.teardown()


@pytest.fixture
def other_worker_container(place: Place, system: System) -> Iterator[WorkerNode]:
    """Yield a second worker, which may not be ready yet."""
    node = place.worker("worker-2", system.settings)
    yield node
    node.teardown()


@pytest.fixture
def celery_other_worker(
    other_worker_container: WorkerNode,
    celery_setup_worker: CeleryTestWorker,
    celery_setup_app: Celery,
) -> CeleryTestWorker:
    """Return the second worker, which was started together with the first."""
    other_worker_container.ready()
    return CeleryTestWorker(other_worker_container, celery_setup_app)


@pytest.fixture
def celery_worker_cluster(celery_setup_worker: CeleryTestWorker) -> CeleryWorkerCluster:
    """Return one worker; a module that wants two overrides this."""
    return CeleryWorkerCluster(celery_setup_worker)
