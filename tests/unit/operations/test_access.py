"""Who may look at metrics and details."""

import pytest
from pytest_django import Settings

from coordinator.operations import access

TOKEN = "a-token-of-this-deployment"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1"])
def test_whoever_is_on_this_machine_may_look(address: str) -> None:
    assert access.may_look(address, {})


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.0.2.7", "2001:db8::1", "", "localhost", "unix:"]
)
def test_whoever_is_elsewhere_or_nameless_may_not(address: str) -> None:
    assert not access.may_look(address, {})


@pytest.mark.parametrize("header", ["forwarded", "via", "x-forwarded-for", "x-real-ip"])
def test_whoever_comes_through_a_proxy_on_this_machine_may_not(header: str) -> None:
    assert not access.may_look("127.0.0.1", {header: "127.0.0.1"})


@pytest.mark.parametrize("sent", [f"Bearer {TOKEN}", f"bearer  {TOKEN} "])
@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.7"])
def test_the_token_opens_from_everywhere(settings: Settings, address: str, sent: str) -> None:
    settings.COORDINATOR_OPERATIONS_TOKEN = TOKEN
    assert access.may_look(address, {"authorization": sent, "via": "1.1 proxy"})


@pytest.mark.parametrize(
    "sent", ["", TOKEN, f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x", "Bearer ü", "Bearer \udcff"]
)
def test_where_there_is_a_token_nothing_else_opens(settings: Settings, sent: str) -> None:
    settings.COORDINATOR_OPERATIONS_TOKEN = TOKEN
    assert not access.may_look("127.0.0.1", {"authorization": sent})


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_in_production_no_token_means_closed(settings: Settings, address: str) -> None:
    settings.COORDINATOR_PRODUCTION = True
    assert not access.may_look(address, {})
    assert not access.may_look(address, {"authorization": "Bearer "})
