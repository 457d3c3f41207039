"""The link of `make run` signs staff in once, on this machine, and nowhere else."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from tools.embedded import entering

HERE = "http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
def embedded(settings: Settings) -> None:
    """Answer under the addresses of an embedded run."""
    settings.ROOT_URLCONF = "tools.embedded.urls"


def path() -> str:
    """Return the path of a new link."""
    return entering.link(HERE).removeprefix(HERE)


def test_the_link_leads_to_the_status_page_signed_in() -> None:
    answer = Client().get(path(), follow=True)
    assert answer.redirect_chain == [("/status/", 302)]
    assert answer.status_code == 200
    assert b"Set warming to paused" in answer.content


def test_the_link_works_once() -> None:
    link = path()
    assert Client().get(link).status_code == 302
    assert Client().get(link).status_code == 404


def test_only_the_newest_link_works() -> None:
    old = path()
    new = path()
    assert Client().get(old).status_code == 404
    assert Client().get(new).status_code == 302


@pytest.mark.parametrize("token", ["none", "%00", "é"])
def test_another_link_signs_nobody_in_and_uses_nothing_up(token: str) -> None:
    link = path()
    client = Client()
    assert client.get(f"/enter/{token}/").status_code == 404
    assert not client.session.keys()
    assert Client().get(link).status_code == 302


@pytest.mark.parametrize(
    "where", [{"REMOTE_ADDR": "192.0.2.7"}, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}]
)
def test_it_works_on_this_machine_alone(where: dict[str, Any]) -> None:
    link = path()
    assert Client().get(link, **where).status_code == 404
    assert Client().get(link).status_code == 302


def test_no_other_run_has_such_an_address(settings: Settings) -> None:
    link = path()
    settings.ROOT_URLCONF = "coordinator.urls"
    assert Client().get(link).status_code == 404
