"""Whoever is interrupted while it takes leases keeps none of them."""

import pytest

from coordinator.core import keys, lease

pytestmark = pytest.mark.usefixtures("each_cache")

WANTED = {"A-1": 1, "A-2": 1, "A-3": 1}


class Interrupted(BaseException):
    """What a soft time limit does, at any moment."""


def interrupt(*_: object) -> bool:
    raise Interrupted


def free_again(identifier: str) -> bool:
    got = lease.acquire("payment", identifier, 1)
    if not isinstance(got, lease.Lease):
        return False
    got.release()
    return True


def test_before_any_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    real = keys.lease_key

    def interrupted_at_the_last(resource: str, identifier: str, schema: int = 1) -> str:
        return real(resource, identifier, schema) if identifier != "A-3" else str(interrupt())

    with monkeypatch.context() as patched:
        patched.setattr(keys, "lease_key", interrupted_at_the_last)
        with pytest.raises(Interrupted):
            lease.acquire_many("payment", WANTED)
    assert all(map(free_again, WANTED))


def test_after_the_cache_has_granted_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(lease, "_granted", interrupt)
        with pytest.raises(Interrupted):
            lease.acquire_many("payment", WANTED)
    assert all(map(free_again, WANTED))
