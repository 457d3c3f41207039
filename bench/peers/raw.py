"""The floor: pymemcache's own clients, the same bytes, nothing around them."""

from collections.abc import Sequence
from itertools import islice

from pymemcache.client.base import Client
from pymemcache.client.hash import HashClient

from bench import things
from bench.rounds import Contestant, Work
from coordinator.core import resource

GET = "raw Client.get"
GET_MANY = "raw Client.get_many of two keys"
HASHED = "pymemcache HashClient.get_many of two keys"


def one_node(address: str, names: Sequence[str], size: int) -> list[Contestant]:
    """Return the floor: one get of an entry's bytes; and a get of two keys at once."""
    client = Client(address, timeout=5, connect_timeout=5, no_delay=True)
    return [
        Contestant(GET, _get(client, _stored(client, names, size))),
        Contestant(GET_MANY, _get_two(client, _stored(client, names, size))),
    ]


def hash_client(addresses: Sequence[str], names: Sequence[str], size: int) -> list[Contestant]:
    """Return what pymemcache's own ring takes for two keys."""
    client = HashClient(list(addresses), timeout=5, connect_timeout=5, no_delay=True)
    return [Contestant(HASHED, _get_two(client, _stored(client, names, size)))]


def _stored(client: Client | HashClient, names: Sequence[str], size: int) -> list[str]:
    of = resource.get("payment")
    keys = []
    for name in names:
        key, data = things.entry_bytes(of, name, things.payload(name, size))
        keys.append(f"raw:{key}")
        client.set(keys[-1], data, noreply=False)
        client.set(f"{keys[-1]}:p", b"0123456789" * 4, noreply=False)
    return keys


def _get(client: Client, keys: list[str]) -> Work:
    def work(times: int) -> None:
        for key in islice(keys, times):
            client.get(key)

    return work


def _get_two(client: Client | HashClient, keys: list[str]) -> Work:
    pairs = [[f"{key}:p", key] for key in keys]

    def work(times: int) -> None:
        for pair in islice(pairs, times):
            client.get_many(pair)

    return work
