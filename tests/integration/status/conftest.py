"""Payments in a real ledger, members of staff who may do this and that, and the page's counters."""

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from coordinator.core import switches
from coordinator.core.resource import Resource
from coordinator.operations.status import counters, counting
from tests.support.fixtures import manual_clock, receivers_as_they_were, upstream
from tests.support.payments import payments_from
from tests.support.upstream import Upstream

__all__ = ["manual_clock", "receivers_as_they_were", "upstream"]

#: What staff needs to see every page, and to do nothing.
READ_ONLY = ("view_status", "view_change", "view_finding", "view_intervention")

Staff = Callable[..., Client]


@pytest.fixture(autouse=True)
def payments(
    sqlite_ledger: None, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Resource]:
    """Let payments be loaded from `upstream`, in a ledger of this test's own."""
    with payments_from(upstream, monkeypatch) as of:
        yield of


@pytest.fixture(autouse=True)
def switches_as_they_were() -> Iterator[None]:
    """Let each test ask anew how the switches are thrown."""
    switches.forget()
    yield
    switches.forget()


@pytest.fixture
def staff() -> Staff:
    """Return a function that signs in a member of staff with these permissions."""

    def sign_in(*permissions: str, name: str = "ada") -> Client:
        user = User.objects.create_user(name, is_staff=True)
        found = Permission.objects.filter(codename__in=permissions)
        assert {one.codename for one in found} == set(permissions)
        user.user_permissions.set(found)
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> counters.SharedCounters:
    """Count as a process does that feeds the page; what it counts is added when a test says so."""

    class Own(counters.SharedCounters):
        def __init__(self) -> None:
            super().__init__()
            # As if a thread were under way already: none is started.
            self._awaited = True

    own = Own()
    monkeypatch.setattr(counting, "COUNTERS", own)
    return own
