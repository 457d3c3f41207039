"""Knocking at brokers of every kind; the real Redis is knocked at in the integration tests."""

import socket
from collections.abc import Iterator

import pytest
import redis

from coordinator.operations.health import broker
from tests.processes import HOST, free_port

TIMEOUT_SECONDS = 0.3


@pytest.fixture
def listener() -> Iterator[str]:
    """Yield the address of somebody who takes connections, and says nothing."""
    with socket.create_server((HOST, 0)) as server:
        yield f"{HOST}:{server.getsockname()[1]}"


def test_the_broker_in_this_process_is_always_there() -> None:
    assert broker.answers("memory://", TIMEOUT_SECONDS)


def test_a_broker_that_takes_a_connection_is_there(listener: str) -> None:
    assert broker.answers(f"amqp://user:word@{listener}//", TIMEOUT_SECONDS)


def test_redis_must_say_pong(listener: str) -> None:
    with pytest.raises(redis.TimeoutError):
        broker.answers(f"redis://{listener}/0", TIMEOUT_SECONDS)


@pytest.mark.parametrize("scheme", ["redis", "amqp", "sentinel"])
def test_where_nobody_listens_that_is_an_error(scheme: str) -> None:
    with pytest.raises((OSError, redis.RedisError)):
        broker.answers(
            f"{scheme}://{HOST}:{free_port()}", TIMEOUT_SECONDS, {"master_name": "coordinator"}
        )


def test_a_sentinel_is_asked_for_a_master_by_name(listener: str) -> None:
    with pytest.raises(broker.NoDoor, match="name of a master"):
        broker.answers(f"sentinel://{listener}", TIMEOUT_SECONDS)


def test_of_several_one_that_answers_is_enough(listener: str) -> None:
    nobody = f"amqp://{HOST}:{free_port()}"
    assert broker.answers(f"{nobody};amqp://{listener}", TIMEOUT_SECONDS)
    assert broker.answers(f"amqp://{listener};{nobody}", TIMEOUT_SECONDS)
    with pytest.raises(OSError, match="refused"):
        broker.answers(f"{nobody};{nobody}", TIMEOUT_SECONDS)


@pytest.mark.parametrize("url", ["", "sqs://", "amqp://", "no address"])
def test_at_what_is_no_address_nobody_can_knock(url: str) -> None:
    with pytest.raises(broker.NoDoor):
        broker.answers(url, TIMEOUT_SECONDS)
